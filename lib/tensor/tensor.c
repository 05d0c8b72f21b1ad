#include "tensor/tensor.h"

#include "base/err.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int64_t tensor_count(const struct tensor *t)
{
	int64_t n = 1;

	for (int i = 0; i < t->nd; i++)
		n *= t->dim[i];
	return n;
}

size_t tensor_bytes(const struct tensor *t)
{
	return (size_t)tensor_count(t) * dtype_size(t->dt);
}

int64_t tensor_rows(const struct tensor *t)
{
	int64_t n = 1;

	for (int i = 0; i < t->nd - 1; i++)
		n *= t->dim[i];
	return n;
}

int64_t tensor_cols(const struct tensor *t)
{
	return t->nd ? t->dim[t->nd - 1] : 1;
}

bool tensor_same_shape(const struct tensor *a, const struct tensor *b)
{
	if (a->nd != b->nd)
		return false;
	for (int i = 0; i < a->nd; i++)
		if (a->dim[i] != b->dim[i])
			return false;
	return true;
}

struct tensor tensor_new(struct arena *a, enum dtype dt, int nd, const int64_t *dim)
{
	struct tensor t = { .dt = dt, .nd = nd };
	uint64_t n = dtype_size(dt);

	if (nd < 0 || nd > MAXDIM)
		die(ST_FAIL, "tensor of %d dimensions", nd);
	for (int i = 0; i < nd; i++) {
		if (dim[i] < 0 || !size_mul(n, (uint64_t)dim[i], &n) || n > PTRDIFF_MAX)
			die(ST_FAIL, "out of memory: dimension %d of a tensor is %lld", i, (long long)dim[i]);
		t.dim[i] = dim[i];
	}
	t.data = arena_alloc(a, (size_t)n);
	return t;
}

struct tensor tensor_2d(struct arena *a, enum dtype dt, int64_t rows, int64_t cols)
{
	return tensor_new(a, dt, 2, (const int64_t[]){ rows, cols });
}

struct tensor tensor_view(void *data, enum dtype dt, int64_t rows, int64_t cols)
{
	struct tensor t = { .dt = dt, .nd = 2, .dim = { rows, cols }, .data = data };

	return t;
}

void tensor_release(struct tensor *t)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)t->data + page - 1) / page * page, to = ((uintptr_t)t->data + tensor_bytes(t)) / page * page;

	if (t->data && from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

const char *tensor_shape(const struct tensor *t, char *buf, size_t n)
{
	size_t at = 0;

	for (int i = 0; i < t->nd && at < n; i++) {
		int k = snprintf(buf + at, n - at, "%c%lld", i ? ',' : '[', (long long)t->dim[i]);

		at += k > 0 ? (size_t)k : 0;
	}
	if (at < n)
		snprintf(buf + at, n - at, "%s", t->nd ? "]" : "[]");
	return buf;
}
