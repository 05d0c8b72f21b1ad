/* Devices by name. */
#include "op/host.h"
#include "op/mm.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t div_up(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void *host_scratch(struct host *h, int64_t n, size_t size)
{
	uint64_t bytes;

	if (n < 0 || !size_mul((uint64_t)n, size, &bytes) || bytes > PTRDIFF_MAX - 64)
		die(ST_FAIL, "out of memory (%lld x %zu bytes)", (long long)n, size);
	if (bytes > h->cap) {
		free(h->buf);
		h->cap = (bytes + 63) / 64 * 64;
		if (!(h->buf = aligned_alloc(64, h->cap)))
			die(ST_FAIL, "out of memory (%zu bytes)", h->cap);
	}
	return h->buf;
}

static void describe(struct host *h)
{
	char *at = h->text, *end = at + sizeof(h->text);
	const char *name, *by = h->f32_by_dnnl || (h->dev.mm == DT_BF16 && h->fast_bf16) ? "oneDNN" : "OpenBLAS";
	bool ref = h->dev.ops == &ops_ref;

	at += snprintf(at, (size_t)(end - at), "%s:", h->dev.ops->name);
	for (unsigned b = 1; !ref && (name = cpu_feature_name(b)); b <<= 1)
		if (h->feat & b)
			at += snprintf(at, (size_t)(end - at), " %s", name);
	if (!h->feat)
		at += snprintf(at, (size_t)(end - at), " plain C");
	at += snprintf(at, (size_t)(end - at), ", %s products", dtype_name(h->dev.mm));
	if (!ref)
		at += snprintf(at, (size_t)(end - at), " by %s, OpenBLAS %s", by, openblas_get_corename());
	snprintf(at, (size_t)(end - at), ", %d thread%s", pool_threads(), pool_threads() == 1 ? "" : "s");
}

struct dev *dev_open(const char *device, int dtype, int threads)
{
	const struct ops *ops = !strcmp(device, "cpu") ? &ops_cpu : !strcmp(device, "ref") ? &ops_ref : NULL;
	struct host *h;

	if (!ops) {
		err_set(ST_UNSUP, "no device '%s'; there are 'cpu' and 'ref'", device);
		return NULL;
	}
	if (dtype < 0 || dtype > 2) {
		err_set(ST_UNSUP, "no type of products number %d", dtype);
		return NULL;
	}
	pool_start(threads);
	openblas_set_num_threads(1);            /* the pool has the threads */
	h = xcalloc(1, sizeof(*h));
	h->dev.ops = ops;
	h->dtype = dtype;
	h->wide_n = 4096;
	h->dev.mm = dtype == 2 ? DT_BF16 : DT_F32;
	if (ops == &ops_cpu) {
		h->feat = cpu_features(getenv("LLMC_CPU_MASK"));
		kern_cpu(&h->k, h->feat);
		h->f32_by_dnnl = mm_f32_by_dnnl(h->feat);
		h->fast_bf16 = cpu_fast_bf16(h->feat);
	} else {
		kern_ref(&h->k);
	}
	describe(h);
	return &h->dev;
}

void dev_auto(struct dev *d, enum dtype checkpoint)
{
	struct host *h = host(d);

	if (h->dtype == 0)
		d->mm = (checkpoint == DT_BF16 || checkpoint == DT_F16) && h->fast_bf16 ? DT_BF16 : DT_F32;
	describe(h);
}

const char *dev_describe(const struct dev *d)
{
	return ((const struct host *)d)->text;
}

void dev_close(struct dev *d)
{
	if (!d)
		return;
	free(host(d)->buf);
	free(d);
}
