/* mkdigest FILE: the XXH3-64 of a file as end.json writes it.  For the bats files. */
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

int main(int argc, char **argv)
{
	FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
	static char buf[1 << 20];
	XXH3_state_t *h = XXH3_createState();
	size_t n;

	if (!f || !h)
		return 2;
	XXH3_64bits_reset(h);
	while ((n = fread(buf, 1, sizeof(buf), f)))
		XXH3_64bits_update(h, buf, n);
	printf("%016llx\n", (unsigned long long)XXH3_64bits_digest(h));
	XXH3_freeState(h);
	return fclose(f) || ferror(stdout);
}
