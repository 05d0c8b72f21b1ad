/* A main for a fuzz entry where libFuzzer is not: runs it over the files, and the files of the directories, given
 * as arguments, and over prefixes of each, which is what truncation leaves.  One TAP line; a crash is a crash. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static long files, prefixes;

/* In a buffer of exactly its size, so that a sanitizer sees a byte too far. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void replay_file(const char *path, size_t size)
{
	enum { CUTS = 128 };
	uint8_t *data = malloc(size ? size : 1);
	FILE *f = fopen(path, "rb");
	size_t last = size;

	if (!data || !f || fread(data, 1, size, f) != size) {
		fprintf(stderr, "cannot read '%s'\n", path);
		exit(1);
	}
	fclose(f);
	run(data, size);
	files++;
	for (size_t i = CUTS; i-- > 0; ) {
		size_t n = size / CUTS * i + size % CUTS * i / CUTS;

		if (n >= last)
			continue;
		run(data, n);
		prefixes++;
		last = n;
	}
	free(data);
}

static void replay(const char *path)
{
	struct dirent **e;
	struct stat sb;
	int n;

	if (stat(path, &sb)) {
		fprintf(stderr, "cannot find '%s'\n", path);
		exit(1);
	}
	if (!S_ISDIR(sb.st_mode)) {
		replay_file(path, (size_t)sb.st_size);
		return;
	}
	n = scandir(path, &e, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		char name[4096];

		if (e[i]->d_name[0] != '.') {
			snprintf(name, sizeof(name), "%s/%s", path, e[i]->d_name);
			replay(name);
		}
		free(e[i]);
	}
	if (n >= 0)
		free(e);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');

	printf("1..1\n");
	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	printf("%sok 1 - %s: %ld inputs and %ld prefixes of them\n", files ? "" : "not ", name ? name + 1 : argv[0],
	       files, prefixes);
	return !files;
}
