/* The header of a safetensors file to be written. */
#include "base/err.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64 };

struct text {
	char *s;
	size_t n, cap;
};

static void put(struct text *t, const char *s, size_t n)
{
	t->s = xgrow(t->s, t->n + n, &t->cap, 1);
	memcpy(t->s + t->n, s, n);
	t->n += n;
}

static void puts_(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

static void put_quoted(struct text *t, const char *s)
{
	put(t, "\"", 1);
	for (; *s; s++) {
		char esc[8];

		if (*s == '"' || *s == '\\')
			put(t, (char[]){ '\\', *s }, 2);
		else if ((unsigned char)*s < 0x20) {
			snprintf(esc, sizeof(esc), "\\u%04x", (unsigned)*s);
			puts_(t, esc);
		} else
			put(t, s, 1);
	}
	put(t, "\"", 1);
}

void *st_header(const struct tensor *t, int n, const cJSON *meta, int *order, size_t *len)
{
	struct text h = { 0 };
	uint64_t at = 0;
	int k = 0;

	for (size_t size = 8; size; size /= 2)
		for (int i = 0; i < n; i++)
			if (dtype_size(t[i].dt) == size)
				order[k++] = i;
	put(&h, "\0\0\0\0\0\0\0\0{", 9);
	if (meta) {
		char *m = json_text(meta, false);

		puts_(&h, "\"__metadata__\":");
		puts_(&h, m);
		free(m);
	}
	for (int i = 0; i < k; i++) {
		const struct tensor *x = &t[order[i]];
		char buf[256], dims[160];

		if (h.n > 9)
			put(&h, ",", 1);
		put_quoted(&h, x->name);
		snprintf(buf, sizeof(buf), ":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%llu,%llu]}",
		         dtype_name(x->dt), tensor_shape(x, dims, sizeof(dims)), (unsigned long long)at,
		         (unsigned long long)(at + tensor_bytes(x)));
		puts_(&h, buf);
		at += tensor_bytes(x);
	}
	put(&h, "}", 1);
	while (h.n % ALIGN)
		put(&h, " ", 1);
	if (h.n - 8 > ST_MAX_HEAD)
		die(ST_FAIL, "a safetensors header of %zu bytes for %d tensors", h.n, n);
	for (int i = 0; i < 8; i++)
		h.s[i] = (char)((uint64_t)(h.n - 8) >> 8 * i);
	*len = h.n;
	return h.s;
}
