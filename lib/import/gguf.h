/* GGUF, read: metadata and tensor table of version 2 and 3, little-endian.  The reader trusts nothing: every
 * length is held against the bytes that exist before it is used. */
#ifndef GGUF_H
#define GGUF_H

#include "base/mem.h"
#include "import/ggml.h"

enum gguf_vtype {
	GV_U8, GV_I8, GV_U16, GV_I16, GV_U32, GV_I32, GV_F32, GV_BOOL, GV_STR, GV_ARR, GV_U64, GV_I64, GV_F64, GV_N
};

struct gguf_str {
	const char *s;                  /* borrowed from the buffer that was parsed; not terminated */
	uint64_t n;
};
struct gguf_kv {
	const char *key;
	enum gguf_vtype type;           /* of the value, or of the elements when `array` */
	bool array;
	uint64_t n;                     /* elements; 1 unless `array` */
	const uint8_t *data;            /* first element, as stored; borrowed from the buffer */
};
struct gguf_tensor {
	const char *name;
	int nd;
	int64_t dim[4];                 /* outermost first, the reverse of the file */
	uint32_t type;
	uint64_t at, bytes;             /* in the file; bytes 0 when the type is not one of ours */
};
struct gguf {
	uint32_t version;
	struct gguf_kv *kv;
	int nkv;
	struct gguf_tensor *t;
	int nt;
	uint64_t head;                  /* bytes of metadata and table */
	struct arena mem;
};

/* 0: parsed; 1: `have` bytes are not enough, the file (of `size`) goes on; -1: error set.  What was parsed
 * borrows from buf.  Free in every case. */
int gguf_parse(struct gguf *, const void *buf, uint64_t have, uint64_t size);
void gguf_free(struct gguf *);

/* Look-ups.  1: found; 0: absent; -1: another type or out of range, error set (ST_BAD). */
const struct gguf_kv *gguf_find(const struct gguf *, const char *key);
int gguf_int(const struct gguf *, const char *key, int64_t min, int64_t max, int64_t *out);
int gguf_real(const struct gguf *, const char *key, double *out);       /* finite; the float itself, widened */
int gguf_bool(const struct gguf *, const char *key, bool *out);
int gguf_string(const struct gguf *, const char *key, struct gguf_str *out);
/* Array of strings or of numbers, kv->n of them. */
int gguf_array(const struct gguf *, const char *key, enum gguf_vtype, const struct gguf_kv **out);
/* The string at *p of a string array; moves *p to the next. */
struct gguf_str gguf_next(const uint8_t **p);

#endif
