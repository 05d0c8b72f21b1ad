/* mksthash FILE...: every tensor of the safetensors files as "name TAB dtype TAB shape TAB xxh3-64 of its bytes", sorted
 * by name, whatever file it is in.  For the bats files. */
#include "base/err.h"
#include "base/mem.h"
#include "golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static char **line;
static size_t n, cap;

static void add(const char *path)
{
	struct st s;
	char *buf = load_tensors(&s, path), shape[128];

	for (int i = 0; i < s.n; i++) {
		const struct tensor *t = &s.e[i].t;

		line = xgrow(line, n + 1, &cap, sizeof(*line));
		line[n++] = xasprintf("%s\t%s\t%s\t%016llx", t->name, dtype_name(t->dt),
		                      tensor_shape(t, shape, sizeof(shape)),
		                      (unsigned long long)XXH3_64bits(t->data, tensor_bytes(t)));
	}
	st_free(&s);
	free(buf);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int argc, char **argv)
{
	prog = "mksthash";
	if (argc < 2)
		die(ST_USAGE, "usage: mksthash FILE...");
	for (int i = 1; i < argc; i++)
		add(argv[i]);
	qsort(line, n, sizeof(*line), by_text);
	for (size_t i = 0; i < n; i++) {
		puts(line[i]);
		free(line[i]);
	}
	free(line);
	return 0;
}
