/* mksthead IN OUT: a safetensors file whose header was edited to another length, set right.  For the bats files. */
#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The header is one JSON object: where it ends. */
static size_t object(const char *s, size_t n)
{
	size_t depth = 0;

	for (size_t i = 0; i < n; i++) {
		depth += s[i] == '{';
		if (s[i] == '}' && !--depth)
			return i + 1;
	}
	die(ST_NO, "no header");
}

/* Bytes of data that the header speaks of. */
static size_t data(const char *s, size_t n)
{
	static const char key[] = "\"data_offsets\":[";
	size_t most = 0;

	for (size_t i = 0; i + sizeof(key) < n; i++)
		if (!memcmp(s + i, key, sizeof(key) - 1)) {
			char *end;
			size_t to;

			strtoull(s + i + sizeof(key) - 1, &end, 10);
			to = (size_t)strtoull(end + 1, NULL, 10);
			most = to > most ? to : most;
		}
	return most;
}

int main(int argc, char **argv)
{
	unsigned char head[8];
	size_t n = 0, got, len, bytes, pad;
	char *s = NULL;
	FILE *f;

	prog = "mksthead";
	if (argc != 3 || !(f = fopen(argv[1], "rb")))
		die(ST_USAGE, "usage: mksthead IN OUT");
	do {
		s = xrealloc(s, n + (1 << 20));
		n += got = fread(s + n, 1, 1 << 20, f);
	} while (got);
	fclose(f);
	if (n < 8)
		die(ST_NO, "'%s' is no safetensors file", argv[1]);
	len = object(s + 8, n - 8);
	bytes = data(s + 8, len);
	if (bytes > n - 8 - len)
		die(ST_NO, "'%s' is cut short", argv[1]);
	pad = (8 - len % 8) % 8;
	for (int i = 0; i < 8; i++)
		head[i] = (unsigned char)((uint64_t)(len + pad) >> 8 * i);
	if (!(f = fopen(argv[2], "wb")) || fwrite(head, 1, 8, f) != 8 || fwrite(s + 8, 1, len, f) != len ||
	    fprintf(f, "%*s", (int)pad, "") != (int)pad || fwrite(s + n - bytes, 1, bytes, f) != bytes || fclose(f))
		die(ST_FAIL, "cannot write '%s'", argv[2]);
	free(s);
	return 0;
}
