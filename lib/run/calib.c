/* The hidden states of the calibration set, moved through one block at a time. */
#include "run/calib.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "run/side.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A method sees SEE_ROWS rows of a site at a time, or SEE_BYTES of them where they are wide: many, because what it sums
 * up in a matrix of width x width goes through that matrix each time. */
enum { SEE_ROWS = 4096, SEE_STEP = 256, SEE_BYTES = 128 << 20 };

static int64_t memory(void)
{
	return common.ram ? common.ram : (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 2;
}

static uint64_t state_bytes(const struct calib *c, int width, enum dtype dt)
{
	uint64_t n;

	if (!size_mul((uint64_t)(c->N * c->T), (uint64_t)width * dtype_size(dt), &n) || n > INT64_MAX / 4)
		die(ST_FAIL, "%lld x %d hidden states of width %d fit nowhere", (long long)c->N, c->T, width);
	return n;
}

/* In memory while there is some. */
struct states *calib_room(struct calib *c, int width, enum dtype dt)
{
	int64_t n = (int64_t)state_bytes(c, width, dt);
	bool file = n > c->left;

	if (!file)
		c->left -= n;
	else
		say(1, "hidden states of width %d are in a file", width);
	return states_new(c->N * c->T, width, dt, file);
}

static void side_free(struct side *s)
{
	free(s->expert);
	free(s->count);
	free(s->weight);
	free(s->shared);
	states_free(s->h);
	fwd_free(s->fwd);
	states_free(s->x);
	states_free(s->a);
	free(s->seen);
}

struct calib *calib_new(struct dev *dev, const struct model *m, const int32_t *ids, int64_t N, int T)
{
	struct calib *c = xcalloc(1, sizeof(*c));

	c->dev = dev;
	c->m = m;
	c->ids = ids;
	c->N = N;
	c->T = T;
	c->left = memory();
	c->main.fwd = fwd_new(dev, m, T);
	return c;
}

void calib_free(struct calib *c)
{
	if (!c)
		return;
	side_free(&c->main);
	side_free(&c->twin);
	free(c);
}

void calib_twin(struct calib *c)
{
	c->twin.fwd = fwd_new(c->dev, c->m, c->T);
}

bool calib_has_twin(const struct calib *c)
{
	return c->twin.fwd != NULL;
}

static int side_room(struct calib *c, struct side *s)
{
	return s->x || (s->x = calib_room(c, c->m->d_model, DT_F32)) ? 0 : -1;
}

static int embed_side(struct calib *c, struct side *s, struct block *embed)
{
	int64_t total = c->N * c->T, step = (int64_t)fwd_batch(s->fwd) * c->T;
	int r = 0;

	if (side_room(c, s) < 0)
		return -1;
	for (int64_t i = 0; i < total && r == 0; i += step) {
		int64_t n = least(step, total - i);

		r = fwd_embed(s->fwd, embed, c->ids + i, n, states_room(s->x, i, n));
		if (r == 0)
			r = states_put(s->x, i, n);
	}
	fwd_unbind(s->fwd);
	fwd_rest(s->fwd);
	states_rest(s->x);
	return r;
}

int calib_embed(struct calib *c, struct block *embed)
{
	int r = embed_side(c, &c->main, embed);

	return r == 0 && c->twin.fwd ? embed_side(c, &c->twin, embed) : r;
}

int calib_finite(const struct calib *c, const void *a, enum dtype dt, int64_t row, int64_t rows, int width,
                        const char *what)
{
	int64_t i = first_nonfinite(a, dt, (size_t)rows * (size_t)width);

	if (i < 0)
		return 0;
	row += i / width;
	return err_set(ST_FAIL, "%s is not finite at sequence %lld, position %lld, channel %lld", what,
	               (long long)(row / c->T), (long long)(row % c->T), (long long)(i % width));
}

/* Stage s on m rows from `row` on; width: of the a that it makes or takes. */
static int rows_of_stage(struct calib *c, struct side *s, int stage, int64_t row, int64_t m, int width)
{
	bool makes = fwd_a_width(s->fwd, stage) > 0, last = stage == fwd_program(s->fwd)->nstage - 1;
	float *x = states_get(s->x, row, m);
	struct tensor a = { 0 };

	if (!x)
		return -1;
	if (width)
		a = tensor_view(makes ? states_room(s->a, row, m) : states_get(s->a, row, m), c->dev->mm, m, width);
	if ((width && !a.data) || fwd_stage(s->fwd, stage, m, x, &a) < 0 ||
	    (last && calib_finite(c, x, DT_F32, row, m, c->m->d_model, "output") < 0))
		return -1;
	return makes ? states_put(s->a, row, m) : states_put(s->x, row, m);
}

/* Stage s over all rows; *width: of the last a made. */
static int stage(struct calib *c, struct side *s, int stage, int *width)
{
	int64_t total = c->N * c->T, batch = (int64_t)fwd_batch(s->fwd) * c->T, step = fwd_rows(s->fwd, stage);
	int r = 0;

	if (fwd_idle(s->fwd, stage))
		return 0;
	if (fwd_a_width(s->fwd, stage) > 0) {
		*width = fwd_a_width(s->fwd, stage);
		states_width(s->a, *width);
	}
	for (int64_t b = 0; b < total; b += batch)
		for (int64_t i = b, end = least(b + batch, total); i < end && r == 0; i += step)
			r = rows_of_stage(c, s, stage, i, least(step, end - i), *width);
	fwd_rest(s->fwd);
	states_rest(s->x);
	states_rest(s->a);
	return r;
}

int64_t calib_see_rows(int width)
{
	int64_t n = SEE_BYTES / 2 / width;

	return n < SEE_STEP ? SEE_STEP : n > SEE_ROWS ? SEE_ROWS : n / SEE_STEP * SEE_STEP;
}

/* m rows of x or a norm of it, into s->seen. */
static int see_x(struct calib *c, struct side *s, const struct site *site, int64_t row, int64_t m, struct tensor *x)
{
	int k = (int)(site - fwd_program(c->main.fwd)->site);
	int64_t step = fwd_rows(s->fwd, site->stage);
	int r = 0;

	/* a difference of two of these is not to be one of their roundings */
	*x = tensor_view(s->seen, c->twin.fwd ? DT_F32 : c->dev->mm, m, site->width);
	if (!x->data)
		x->data = s->seen = xmalloc((size_t)(calib_see_rows(site->width) * site->width) * dtype_size(x->dt));
	for (int64_t i = 0; i < m && r == 0; i += step) {
		int64_t n = least(step, m - i);
		const float *from = states_get(s->x, row + i, n);
		struct tensor y = tensor_view((char *)x->data + (size_t)(i * site->width) * dtype_size(x->dt), x->dt, n,
		                              site->width);

		r = from ? fwd_input(s->fwd, k, n, from, &y) : -1;
	}
	return r;
}

/* m rows of the a that is there, or of its columns, copied to s->seen. */
static int see_stored(struct calib *c, struct side *s, const struct site *site, int64_t row, int64_t m,
                      struct tensor *x)
{
	int width = fwd_a_width(s->fwd, site->stage);
	size_t e = dtype_size(c->dev->mm);
	char *a = states_get(s->a, row, m), *own;

	*x = tensor_view(a, c->dev->mm, m, site->width);
	if (!a || site->width == width)
		return a ? 0 : -1;
	if (!s->seen)
		s->seen = xmalloc((size_t)(calib_see_rows(site->width) * site->width) * e);
	x->data = own = s->seen;
	for (int64_t i = 0; i < m; i++)
		memcpy(own + (size_t)(i * site->width) * e, a + (size_t)(i * width + site->col) * e,
		       (size_t)site->width * e);
	return 0;
}

static int see_side(struct calib *c, struct side *s, const struct site *site, int64_t row, int64_t m, struct tensor *x)
{
	return site->of_x ? see_x(c, s, site, row, m, x) : see_stored(c, s, site, row, m, x);
}

static void end_seeing(struct side *s)
{
	if (!s->fwd)
		return;
	free(s->seen);
	s->seen = NULL;
	fwd_rest(s->fwd);
	states_rest(s->x);
	states_rest(s->a);
}

/* Site k, whose input is there, is seen and dealt with. */
static int tap_site(struct calib *c, const struct tap *tap, const struct site *site)
{
	int64_t total = c->N * c->T, step = calib_see_rows(site->width);
	struct tensor x, t;
	int r = 0;

	if (!tap->wants(tap->arg, site))
		return 0;
	for (int64_t i = 0; i < total && r == 0; i += step) {
		int64_t m = least(step, total - i);

		r = see_side(c, &c->main, site, i, m, &x);
		if (r == 0 && c->twin.fwd)
			r = see_side(c, &c->twin, site, i, m, &t);
		if (r == 0)
			r = calib_finite(c, x.data, x.dt, i, m, site->width, site->name);
		if (r == 0)
			r = tap->see(tap->arg, site, &x, c->twin.fwd ? &t : NULL);
	}
	end_seeing(&c->main);
	end_seeing(&c->twin);
	return r == 0 ? tap->done(tap->arg, site) : r;
}

static int tapped(struct calib *c, const struct block *b, const struct tap *tap)
{
	const struct program *p = fwd_program(c->main.fwd);
	int width = 0, width_twin = 0, r = 0;

	if (b->piece)
		return experts_tapped(c, b, tap);
	if (!c->main.a && !(c->main.a = calib_room(c, model_width(c->m), c->dev->mm)))
		return -1;
	if (c->twin.fwd && !c->twin.a && !(c->twin.a = calib_room(c, model_width(c->m), c->dev->mm)))
		return -1;
	for (int s = 0; s < p->nstage && r == 0; s++) {
		r = stage(c, &c->main, s, &width);
		if (r == 0 && c->twin.fwd)
			r = stage(c, &c->twin, s, &width_twin);
		for (int k = 0; k < p->nsite && r == 0; k++)
			if (p->site[k].stage == s)
				r = tap_site(c, tap, &p->site[k]);
	}
	return r == 0 && p->moe ? experts_tapped(c, b, tap) : r;
}

/* Without a tap nothing needs the states between stages: each micro-batch goes straight through. */
static int straight(struct calib *c, struct side *s, const struct block *b)
{
	int64_t total = c->N * c->T, step = (int64_t)fwd_batch(s->fwd) * c->T;
	int r = 0;

	if (b->piece)
		return experts_straight(c, s, b);
	for (int64_t i = 0; i < total && r == 0; i += step) {
		int64_t n = least(step, total - i);
		float *x = states_get(s->x, i, n);

		if (!x || fwd_block(s->fwd, (int)(n / c->T), x) < 0 ||
		    calib_finite(c, x, DT_F32, i, n, c->m->d_model, "output") < 0 || states_put(s->x, i, n) < 0)
			r = -1;
	}
	return r == 0 && fwd_program(s->fwd)->moe ? experts_straight(c, s, b) : r;
}

/* The block as it is now; its tensors' storage stays when they are replaced. */
static struct block snapshot(const struct block *b)
{
	struct block s = *b;
	size_t n = (size_t)b->nt;

	s.t = memcpy(xmalloc(n * sizeof(*s.t)), b->t, n * sizeof(*s.t));
	s.q = memcpy(xmalloc(n * sizeof(*s.q)), b->q, n * sizeof(*s.q));
	return s;
}

static void unbind(struct side *s)
{
	if (!s->fwd)
		return;
	fwd_unbind(s->fwd);
	fwd_rest(s->fwd);
	states_rest(s->x);
}

int calib_block(struct calib *c, struct block *b, const struct tap *tap)
{
	struct block was = { 0 };
	int r = fwd_bind(c->main.fwd, b);

	if (r == 0 && c->twin.fwd) {
		was = snapshot(b);
		r = fwd_bind(c->twin.fwd, &was);
	}
	if (r == 0 && tap)
		r = tapped(c, b, tap);
	else if (r == 0 && (r = straight(c, &c->main, b)) == 0 && c->twin.fwd)
		r = straight(c, &c->twin, b);
	unbind(&c->main);
	unbind(&c->twin);
	free(was.t);
	free(was.q);
	return r;
}

static int redo(struct calib *c, struct side *s, struct block *b)
{
	int r = fwd_bind(s->fwd, b);

	if (r == 0)
		r = straight(c, s, b);
	unbind(s);
	return r;
}

int calib_redo(struct calib *c, struct block *done, struct block *was)
{
	int r = redo(c, &c->main, done);

	return r == 0 && c->twin.fwd ? redo(c, &c->twin, was) : r;
}

/* One store: into memory or file as room() will decide. */
static void need_store(const struct calib *c, struct calib_need *n, int64_t *left, int width, enum dtype dt,
                       int64_t buffer)
{
	int64_t size = (int64_t)state_bytes(c, width, dt);

	if (size <= *left) {
		n->memory += size;
		*left -= size;
	} else {
		n->disk += size;
		n->buffers += buffer * width * (int64_t)dtype_size(dt);
	}
}

struct calib_need calib_need(const struct calib *c, bool tapped)
{
	struct calib_need n = { 0 };
	int64_t left = memory(), rows = (int64_t)fwd_batch(c->main.fwd) * c->T, all = c->N * c->T;
	int sides = c->twin.fwd ? 2 : 1, W = model_width(c->m);
	int64_t wide = least(rows, fwd_wide(c->main.fwd));

	rows = least(rows, all);
	for (int i = 0; i < sides; i++)
		need_store(c, &n, &left, c->m->d_model, DT_F32, rows);
	for (int i = 0; i < sides && tapped; i++)
		need_store(c, &n, &left, W, c->dev->mm, wide);
	n.tokens = all;
	n.batch = rows;
	n.wide = least(wide, all);
	return n;
}

int64_t calib_see_bytes(const struct calib *c, const struct site *s)
{
	int64_t rows = least(calib_see_rows(s->width), c->N * c->T);
	int64_t one = rows * s->width * (int64_t)dtype_size(s->of_x && c->twin.fwd ? DT_F32 : c->dev->mm);

	return c->twin.fwd ? 2 * one : one;
}

const float *calib_rows(struct calib *c, int64_t row, int64_t n)
{
	return states_get(c->main.x, row, n);
}

int calib_set(struct calib *c, int64_t row, int64_t n, const float *x)
{
	void *to;

	if (side_room(c, &c->main) < 0)
		return -1;
	to = states_room(c->main.x, row, n);
	memcpy(to, x, (size_t)n * (size_t)c->m->d_model * sizeof(*x));
	return states_put(c->main.x, row, n);
}

int calib_seqlen(const struct calib *c)
{
	return c->T;
}

struct fwd *calib_fwd(struct calib *c)
{
	return c->main.fwd;
}

struct dev *calib_dev(struct calib *c)
{
	return c->dev;
}
