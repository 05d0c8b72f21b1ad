/* Files and digests of the golden vectors, and of what is held against them. */
#ifndef GOLDEN_H
#define GOLDEN_H

#include "base/err.h"
#include "base/json.h"
#include "import/source.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>

/* FNV-1a, 64 bits: the digest that the vectors name. */
static inline uint64_t fnv(const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3;
	return h;
}

/* NULL, and the reason as a diagnostic, when it cannot be read. */
static inline cJSON *load_json(const char *path)
{
	size_t len;
	char *text = source_slurp(path, 1 << 28, &len);
	cJSON *v = text ? json_parse(text, len, path) : NULL;

	free(text);
	if (!v)
		printf("# %s\n", err_msg());
	return v;
}

/* A safetensors file, bound to its bytes, which the caller frees after s.  Dies. */
static inline char *load_tensors(struct st *s, const char *path)
{
	size_t len;
	char *buf = source_slurp(path, (uint64_t)1 << 32, &len);

	if (!buf || st_parse(s, buf, len, path) < 0)
		die_err();
	st_bind(s, buf + s->head);
	return buf;
}

#endif
