/* The columns of a panel of GPTQ, VL rows at a time, transposed: t[j], e[j], code[j] hold column j of
 * those rows.
 *
 * kern.h prescribes, per element, what is subtracted in which order, but not when: a column may wait for its errors
 * until its turn comes.  So BLOCK columns stay in registers while all errors before them pass by. */
#include "kernels/cpu/vec.h"

enum { BLOCK = VL };

struct grid {
	const float *scale, *zero;
	int64_t ldg;
	int32_t group;                  /* whose s and z are here */
	V s, z;
};

static void grid_of(struct grid *g, int32_t group, int n)
{
	float s[VL], z[VL];

	if (group == g->group)
		return;
	for (int l = 0; l < VL; l++) {
		s[l] = l < n ? g->scale[l * g->ldg + group] : 1;
		z[l] = l < n ? g->zero[l * g->ldg + group] : 0;
	}
	g->s = vload(s);
	g->z = vload(z);
	g->group = group;
}

/* Columns [j0, j0 + b) of t, given e of all before: their values, errors and codes [b][VL]. */
static inline void block(int j0, int b, int n, float *t, float *e, const float *u, int64_t ldu, struct grid *g,
                         const int32_t *grp, V top, float *code)
{
	V x[BLOCK];

	for (int j = 0; j < b; j++)
		x[j] = vload(t + (j0 + j) * VL);
	for (int i = 0; i < j0; i++) {
		const float *ui = u + i * ldu + j0;
		V ei = vload(e + i * VL);

		for (int j = 0; j < b; j++)
			x[j] = vsub(x[j], vmul(ei, vset(ui[j])));
	}
	for (int j = 0; j < b; j++) {
		const float *uj = u + (j0 + j) * ldu + j0;
		V d, c;

		grid_of(g, grp[j0 + j], n);
		c = vadd(vrint(vdiv(x[j], g->s)), g->z);
		c = vmin(vmax(c, vset(0)), top);
		d = vmul(vsub(c, g->z), g->s);
		x[j] = vdiv(vsub(x[j], d), vset(uj[j]));        /* from here on the error */
		for (int k = j + 1; k < b; k++)
			x[k] = vsub(x[k], vmul(x[j], vset(uj[k])));
		vstore(e + (j0 + j) * VL, x[j]);
		vstore(t + (j0 + j) * VL, d);
		vstore(code + j * VL, c);
	}
}

/* t[nb][VL] = rows w[n, nb]; lanes from n on are zero */
static void load_rows(float *t, const float *w, int64_t ldw, int n, int nb)
{
	for (int j = 0; j < nb; j += VL) {
		int k = nb - j < VL ? nb - j : VL;
		V x[VL];

		for (int l = 0; l < VL; l++)
			x[l] = l < n ? vload_n(w + l * ldw + j, k) : vset(0);
		vtranspose(x);
		for (int i = 0; i < k; i++)
			vstore(t + (j + i) * VL, x[i]);
	}
}

/* Columns t[k][VL] as rows */
static inline void turn(V x[VL], const float *t, int k)
{
	for (int i = 0; i < VL; i++)
		x[i] = i < k ? vload(t + i * VL) : vset(0);
	vtranspose(x);
}

static void store_rows(float *w, int64_t ldw, const float *t, int n, int nb)
{
	for (int j = 0; j < nb; j += VL) {
		int k = nb - j < VL ? nb - j : VL;
		V x[VL];

		turn(x, t + j * VL, k);
		for (int l = 0; l < n; l++)
			vstore_n(w + l * ldw + j, x[l], k);
	}
}

static void store_codes(uint8_t *code, int64_t ldc, const float *t, int n, int nb)
{
	for (int j = 0; j < nb; j += VL) {
		int k = nb - j < VL ? nb - j : VL;
		V x[VL];

		turn(x, t + j * VL, k);
		for (int l = 0; l < n; l++)
			vstore_u8(code + l * ldc + j, x[l], k);
	}
}

static void gptq(int64_t rows, int nb, float *w, int64_t ldw, const float *u, int64_t ldu, const float *scale,
                 const float *zero, int64_t ldg, const int32_t *grp, int maxq, uint8_t *code, int64_t ldc, float *e,
                 int64_t lde, float *tmp)
{
	float *t = tmp, *err = t + (int64_t)nb * VL, *c = err + (int64_t)nb * VL;
	V top = vset((float)maxq);

	for (int64_t r = 0; r < rows; r += VL) {
		struct grid g = { scale + r * ldg, zero + r * ldg, ldg, -1, vset(1), vset(0) };
		int n = rows - r < VL ? (int)(rows - r) : VL;

		load_rows(t, w + r * ldw, ldw, n, nb);
		for (int j = 0; j < nb; j += BLOCK) {
			if (nb - j >= BLOCK)    /* with a constant the columns are registers */
				block(j, BLOCK, n, t, err, u, ldu, &g, grp, top, c + j * VL);
			else
				block(j, nb - j, n, t, err, u, ldu, &g, grp, top, c + j * VL);
		}
		store_rows(w + r * ldw, ldw, t, n, nb);
		store_rows(e + r * lde, lde, err, n, nb);
		store_codes(code + r * ldc, ldc, c, n, nb);
	}
}

static inline void install(struct kern *k)
{
	k->gptq = gptq;
}
