/* safetensors, read and written.  The reader trusts nothing: reference/export rules of the format
 * (header at most 100 MB, no key twice, offsets without hole or overlap, sizes that match shapes). */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "base/json.h"
#include "tensor/tensor.h"

enum { ST_MAX_HEAD = 100000000 };       /* bytes of JSON that a reader of the format takes */

struct st_entry {
	struct tensor t;                /* name and shape; data set by st_bind */
	uint64_t begin, end;            /* bytes from the start of the data section */
};

struct st {
	struct st_entry *e;             /* in file order of the data */
	int n;
	uint64_t head;                  /* 8 + header length: where the data section starts */
	uint64_t data;                  /* its length */
	cJSON *meta;                    /* "__metadata__" or NULL; owned */
	struct arena mem;
};

/* Bytes of `buf` (the first `have` of a file of `size`) that st_parse needs: 8 + header length; 0 and the
 * error set when the length is absurd.  `have` must be at least 8. */
uint64_t st_head_size(const void *buf, size_t have, uint64_t size);
int st_parse(struct st *, const void *head, uint64_t size, const char *what);  /* head holds st_head_size bytes */
void st_bind(struct st *, void *data);                  /* data section in memory: sets every t.data */
struct st_entry *st_find(const struct st *, const char *name);
void st_free(struct st *);

/* The header for n tensors, in an order that keeps every tensor naturally aligned (descending element
 * size, stable); order[i] is the index of the i-th to be written.  The header is padded with spaces so
 * that the data starts on a multiple of 64.  meta may be NULL.  Returns malloc'd bytes of *len. */
void *st_header(const struct tensor *t, int n, const cJSON *meta, int *order, size_t *len);

#endif
