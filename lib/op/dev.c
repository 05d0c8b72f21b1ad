/* Devices by name. */
#include "op/blas.h"
#include "op/host.h"
#include "op/meter.h"
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

bool linear_fits(const struct tensor *y, const struct tensor *x, const struct tensor *w, const struct tensor *b)
{
	int64_t n = tensor_rows(w);

	return y->dt == DT_F32 && tensor_cols(w) == tensor_cols(x) && tensor_count(y) == tensor_rows(x) * n &&
	       (!b || (b->dt == DT_F32 && tensor_count(b) == n)) &&
	       (x->dt == DT_F32 ? w->dt == DT_F32 || w->dt == DT_BF16 : x->dt == DT_BF16 && w->dt == DT_BF16);
}

bool gram_fits(const struct tensor *h, const struct tensor *x)
{
	int64_t k = tensor_cols(x);

	return h->dt == DT_F32 && (x->dt == DT_F32 || x->dt == DT_BF16) && tensor_count(h) == k * k;
}

bool attn_fits(const struct tensor *o, const struct attn_args *a)
{
	return a->K > 0 && a->H % a->K == 0 && (o->dt == DT_F32 || o->dt == DT_BF16) &&
	       tensor_count(o) == (int64_t)a->n * a->T * a->H * a->Dv;
}

bool factor_fits(const struct tensor *u, const struct tensor *h)
{
	int64_t n = tensor_cols(h);

	return h->dt == DT_F32 && u->dt == DT_F32 && n <= INT32_MAX / 4 && tensor_count(h) == n * n &&
	       tensor_count(u) == n * n;
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
	const char *name, *by = h->f32_by_dnnl ? "oneDNN" : "OpenBLAS";
	bool ref = !strcmp(h->dev.ops->name, ops_ref.name);

	if (h->dev.mm == DT_BF16 && h->fast_bf16)
		by = h->panels16 ? "own kernels" : "oneDNN";

	at += snprintf(at, (size_t)(end - at), "%s:", h->dev.ops->name);
	for (unsigned b = 1; !ref && (name = cpu_feature_name(b)); b <<= 1)
		if (h->feat & b)
			at += snprintf(at, (size_t)(end - at), " %s", name);
	if (!h->feat)
		at += snprintf(at, (size_t)(end - at), " plain C");
	at += snprintf(at, (size_t)(end - at), ", %s products", dtype_name(h->dev.mm));
	if (!ref)
		at += snprintf(at, (size_t)(end - at), " by %s, OpenBLAS %s, oneDNN %s", by, openblas_get_corename(),
		               mm_dnnl_isa());
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
	mem_frugal();
	blas_init();
	pool_start(threads);
	h = xcalloc(1, sizeof(*h));
	h->dev.ops = ops;
	h->dtype = dtype;
	h->wide_n = 4096;
	h->dev.mm = dtype == 2 ? DT_BF16 : DT_F32;
	if (ops == &ops_cpu) {
		h->feat = cpu_features(getenv("LLMC_CPU_MASK"));
		kern_cpu(&h->k, h->feat);
		h->f32_by_dnnl = mm_f32_by_dnnl(h->feat);
		h->fast_bf16 = h->feat & CPU_AVX512_BF16;
		h->panels16 = h->fast_bf16 && !(mm_have_bf16() && h->feat & CPU_AMX_BF16);
		h->panels32 = h->feat & CPU_AVX2;
	} else {
		kern_ref(&h->k);
	}
	meter_wrap(&h->dev);
	return &h->dev;
}

void dev_auto(struct dev *d, enum dtype checkpoint)
{
	struct host *h = host(d);
	static bool said;               /* of two devices the second is as the first */

	if (h->dtype == 0)
		d->mm = (checkpoint == DT_BF16 || checkpoint == DT_F16) && h->fast_bf16 ? DT_BF16 : DT_F32;
	if (verbose > 0 && !said) {
		said = true;
		say(1, "%s", dev_describe(d));
	}
}

const char *dev_describe(struct dev *d)
{
	describe(host(d));
	return host(d)->text;
}

void dev_close(struct dev *d)
{
	if (!d)
		return;
	meter_unwrap(d);
	free(host(d)->buf);
	free(d);
}
