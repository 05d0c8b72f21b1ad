/* opbench gram|factor|columns HIDDEN FFN ROWS THREADS [f32|bf16]: three operators of GPTQ at the shapes of a layer, through
 * the device that the tools use.  A line for each shape: what, seconds of the best of a few, operations at the least,
 * type of the products. */
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "op/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PANEL = 128 };

static struct dev *dev;

static uint32_t step(uint32_t *s)
{
	return *s = *s * 1664525u + 1013904223u;
}

static struct tensor noise(enum dtype dt, int64_t rows, int64_t cols)
{
	struct tensor t = tensor_view(xmalloc((size_t)(rows * cols) * dtype_size(dt)), dt, rows, cols);
	float *row = xmalloc((size_t)cols * sizeof(*row));
	uint32_t s = 1;

	for (int64_t i = 0; i < rows; i++) {
		for (int64_t j = 0; j < cols; j++)
			row[j] = (float)(step(&s) >> 8) / (1 << 23) - 1;
		from_f32((char *)t.data + i * cols * (int64_t)dtype_size(dt), dt, row, (size_t)cols);
	}
	free(row);
	return t;
}

/* One shape's work; what it needs is made before the clock starts. */
struct work {
	struct tensor x, h, u, w;
	float *scale, *zero, *e;
	int32_t *grp;
	uint8_t *code;
};

static int gram(struct work *k)
{
	return dev->ops->gram(dev, &k->h, &k->x);
}

static int factor(struct work *k)
{
	return dev->ops->chol_inv(dev, &k->u, &k->h);
}

/* As gptq.c: a panel, then one product for all that follows. */
static int columns(struct work *k)
{
	int64_t out = k->w.dim[0], n = k->w.dim[1];
	float *w = k->w.data, *u = k->u.data;
	int r = 0;

	for (int64_t a = 0; a < n && r == 0; a += PANEL) {
		int64_t nb = n - a < PANEL ? n - a : PANEL, next = a + nb;

		r = dev->ops->gptq_panel(dev, out, (int)nb, w + a, n, u + a * n + a, n, k->scale, k->zero, 1, k->grp,
		                         15, k->code + a, n, k->e);
		if (r == 0 && next < n)
			r = dev->ops->gemm(dev, 0, 0, out, n - next, nb, -1, k->e, nb, u + a * n + next, n, 1, w + next,
			                   n);
	}
	return r;
}

static double best_of(int (*fn)(struct work *), struct work *k)
{
	double best = 0, start = seconds();

	for (int i = 0; i < 10 && (i == 0 || seconds() - start < 2); i++) {
		double t = seconds();

		if (fn(k))
			die_err();
		t = seconds() - t;
		best = i == 0 || t < best ? t : best;
	}
	return best;
}

static void tell(const char *what, int64_t a, int64_t b, double t, double flops, enum dtype dt)
{
	printf("%s\t%lldx%lld\t%.6f\t%.0f\t%s\n", what, (long long)a, (long long)b, t, flops, dt == DT_BF16 ? "bf16" : "f32");
	fflush(stdout);
}

static void bench_gram(int64_t rows, int64_t n)
{
	struct work k = { .x = noise(dev->mm, rows, n) };

	k.h = tensor_view(xcalloc((size_t)(n * n), sizeof(float)), DT_F32, n, n);
	tell("gram", rows, n, best_of(gram, &k), (double)rows * (double)n * (double)(n + 1), dev->mm);
	free(k.x.data);
	free(k.h.data);
}

static void bench_factor(int64_t n)
{
	struct work k = { .h = noise(DT_F32, n, n) };
	float *h = k.h.data;
	double flops = 2.0 / 3 * (double)n * (double)n * (double)n;

	for (int64_t i = 0; i < n; i++) {               /* symmetric, the diagonal outweighs the rest */
		for (int64_t j = 0; j < i; j++)
			h[i * n + j] = h[j * n + i];
		h[i * n + i] = (float)n;
	}
	k.u = tensor_view(xmalloc((size_t)(n * n) * sizeof(float)), DT_F32, n, n);
	tell("factor", n, n, best_of(factor, &k), flops, DT_F32);
	free(k.h.data);
	free(k.u.data);
}

static void bench_columns(int64_t out, int64_t n)
{
	struct work k = { .w = noise(DT_F32, out, n), .u = noise(DT_F32, n, n) };

	for (int64_t i = 0; i < n; i++) {
		float *row = (float *)k.u.data + i * n;

		for (int64_t j = 0; j < n; j++)
			row[j] = j == i ? 1 : row[j] * 0.01f;
	}
	k.scale = xmalloc((size_t)out * sizeof(float));
	k.zero = xmalloc((size_t)out * sizeof(float));
	for (int64_t i = 0; i < out; i++) {
		k.scale[i] = 0.13f;
		k.zero[i] = 8;
	}
	k.grp = xcalloc((size_t)n, sizeof(*k.grp));
	k.code = xmalloc((size_t)(out * n));
	k.e = xmalloc((size_t)out * PANEL * sizeof(float));
	tell("columns", out, n, best_of(columns, &k), (double)out * (double)n * (double)n, DT_F32);
	free(k.w.data);
	free(k.u.data);
	free(k.scale);
	free(k.zero);
	free(k.grp);
	free(k.code);
	free(k.e);
}

int main(int argc, char **argv)
{
	int64_t C, F, rows;
	int dtype = argc < 7 ? 0 : !strcmp(argv[6], "f32") ? 1 : 2;

	prog = "opbench";
	if (argc < 6)
		die(ST_USAGE, "usage: opbench gram|factor|columns HIDDEN FFN ROWS THREADS [f32|bf16]");
	C = atoll(argv[2]);
	F = atoll(argv[3]);
	rows = atoll(argv[4]);
	if (C < 1 || F < 1 || rows < 1 || C > 1 << 20 || F > 1 << 20 || rows > 1 << 20)
		die(ST_USAGE, "sizes from 1 to 1048576");
	if (!(dev = dev_open("cpu", dtype, atoi(argv[5]))))
		die_err();
	dev_auto(dev, DT_BF16);
	for (int wide = 0; wide < 2; wide++) {
		int64_t n = wide ? F : C;

		if (!strcmp(argv[1], "gram"))
			bench_gram(rows, n);
		else if (!strcmp(argv[1], "factor"))
			bench_factor(n);
		else if (!strcmp(argv[1], "columns"))
			bench_columns(C, n);
		else
			die(ST_USAGE, "'%s' is none of gram, factor, columns", argv[1]);
	}
	dev_close(dev);
	return 0;
}
