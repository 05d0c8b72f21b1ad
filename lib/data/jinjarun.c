/* A template at work: its statements, its variables, and the bounds on both.  Every body of a loop, a macro, a
 * call, a filter, `with` and `set` without a value has variables of its own; the branches of an `if` have not. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

enum { LEAVE_BREAK = 1, LEAVE_CONTINUE };

int jr_work(struct jrun *r, size_t bytes)
{
	if (bytes + 32 <= r->work) {
		r->work -= bytes + 32;
		return 0;
	}
	r->work = 0;
	return err_set(ST_UNSUP, "the template does not come to an end soon enough");
}

void *jr_alloc(struct jrun *r, size_t n)
{
	if (n > JINJA_MEMORY || r->mem.total + n > JINJA_MEMORY) {
		err_set(ST_UNSUP, "the template needs more than %zu MB", JINJA_MEMORY >> 20);
		return NULL;
	}
	if (jr_work(r, n) < 0)
		return NULL;
	return arena_alloc(&r->mem, n);
}

void *jr_grow(struct jrun *r, void *v, size_t n, size_t *cap, size_t more, size_t size)
{
	void *p;

	if (n < *cap)
		return v;
	p = jr_alloc(r, (2 * *cap + more) * size);
	if (!p)
		return NULL;
	if (n)
		memcpy(p, v, n * size);
	*cap = 2 * *cap + more;
	return p;
}

int jr_bytes(struct jrun *r, int rc, struct bytes *b, struct jval *out)
{
	if (rc == 0)
		rc = jr_str(r, b->p ? b->p : "", b->n, out);
	bytes_free(b);
	return rc;
}

int jr_str(struct jrun *r, const char *s, size_t n, struct jval *out)
{
	char *copy = jr_alloc(r, n + 1);

	if (!copy)
		return -1;
	if (n)
		memcpy(copy, s, n);
	copy[n] = '\0';
	*out = v_strn(copy, n);
	return 0;
}

int jr_list(struct jrun *r, enum jlist_kind kind, size_t n, struct jval *out)
{
	struct jlist *l;

	if (n > JINJA_MEMORY / sizeof(*l->v))
		return err_set(ST_UNSUP, "a list of %zu elements", n);
	if (!(l = jr_alloc(r, sizeof(*l) + n * sizeof(*l->v))))
		return -1;
	*l = (struct jlist){ .v = (struct jval *)(l + 1), .n = n, .kind = kind };
	for (size_t i = 0; i < n; i++)
		l->v[i] = (struct jval){ .type = V_NONE };
	*out = (struct jval){ .type = V_LIST, .list = l };
	return 0;
}

/* --- variables --- */

struct jval *jr_find(struct jrun *r, const char *name)
{
	for (struct env *e = r->env; e; e = e->up)
		for (size_t i = 0; i < e->n; i++)
			if (e->v[i].name == name)
				return &e->v[i].v;
	return NULL;
}

int jr_set(struct jrun *r, const char *name, struct jval v)
{
	struct env *e = r->env;
	struct jvar *grown;

	for (size_t i = 0; i < e->n; i++)
		if (e->v[i].name == name) {
			e->v[i].v = v;
			return 0;
		}
	grown = jr_grow(r, e->v, e->n, &e->cap, 4, sizeof(*e->v));
	if (!grown)
		return -1;
	e->v = grown;
	e->v[e->n++] = (struct jvar){ name, v };
	return 0;
}

static int enter(struct jrun *r, struct env *up)
{
	struct env *e = jr_alloc(r, sizeof(*e));

	if (!e)
		return -1;
	*e = (struct env){ .up = up };
	r->env = e;
	return 0;
}

int jr_assign(struct jrun *r, const struct jn *target, struct jval v)
{
	const struct jn *t = target->list;
	struct jval *part, *space;
	size_t n, i = 0;

	if (target->flag) {             /* NAME.ATTR */
		space = jr_find(r, target->val.s);
		if (!space || space->type != V_SPACE)
			return err_set(ST_BAD, "'%s' is no namespace", target->val.s);
		return v_put(r, space->dict, target->body->val, v);
	}
	if (!t)
		return jr_set(r, target->val.s, v);
	if (v_need(v) < 0 || v_iter(r, v, &part, &n) < 0)
		return -1;
	for (; t && i < n; t = t->next)
		if (jr_assign(r, t, part[i++]) < 0)
			return -1;
	return t || i < n ? err_set(ST_BAD, "%zu values for another number of variables", n) : 0;
}

/* --- statements --- */

int jr_capture(struct jrun *r, const struct jn *body, int *leave, struct jval *out)
{
	struct bytes text = { 0 }, *old = r->out;
	struct env *env = r->env;
	int rc = enter(r, env);

	r->out = &text;
	if (rc == 0)
		rc = jr_body(r, body, leave);
	r->out = old;
	r->env = env;
	if (rc == 0)
		rc = jr_str(r, text.p ? text.p : "", text.n, out);
	bytes_free(&text);
	return rc;
}

/* The elements that the condition lets pass; each is assigned to the target for it. */
static int choose(struct jrun *r, const struct jn *s, struct jval **v, size_t *n)
{
	struct env *env = r->env;
	struct jval kept, yes;
	size_t k = 0;

	if (!s->c)
		return 0;
	if (jr_list(r, L_LIST, *n, &kept) < 0)
		return -1;
	for (size_t i = 0; i < *n; i++) {
		if (enter(r, env) < 0 || jr_assign(r, s->b, (*v)[i]) < 0 || jr_eval(r, s->c, &yes) < 0)
			return -1;
		if (v_true(yes))
			kept.list->v[k++] = (*v)[i];
	}
	r->env = env;
	*v = kept.list->v;
	*n = k;
	return 0;
}

static int run_for(struct jrun *r, const struct jn *s, int *leave)
{
	struct env *env = r->env;
	const char *loop = jinja_name(r->j, "loop", 4, false);
	struct jval over, *v;
	struct jloop *l;
	bool ended = false;
	int out = 0;
	size_t n;

	if (jr_eval(r, s->a, &over) < 0 || v_iter(r, over, &v, &n) < 0 || choose(r, s, &v, &n) < 0)
		return -1;
	if (!(l = jr_alloc(r, sizeof(*l))))
		return -1;
	*l = (struct jloop){ .v = v, .n = n };
	for (l->i = 0; l->i < n && out != LEAVE_BREAK; l->i++) {
		if (enter(r, env) < 0 || (loop && jr_set(r, loop, (struct jval){ .type = V_LOOP, .loop = l }) < 0) ||
		    jr_assign(r, s->b, v[l->i]) < 0)
			return -1;
		out = 0;
		if (jr_body(r, s->body, &out) < 0)
			return -1;
		ended |= !out;
	}
	r->env = env;
	/* as the reference does: an iteration that is left does not count */
	if (ended || !s->other)
		return 0;
	if (enter(r, env) < 0 || jr_body(r, s->other, leave) < 0)
		return -1;
	r->env = env;
	return 0;
}

static int run_if(struct jrun *r, const struct jn *s, int *leave)
{
	for (const struct jn *arm = s->list; arm; arm = arm->next) {
		struct jval v;

		if (jr_eval(r, arm->a, &v) < 0)
			return -1;
		if (v_true(v))
			return jr_body(r, arm->body, leave);
	}
	return s->other ? jr_body(r, s->other, leave) : 0;
}

/* The body as text, through the filters in s->a, if any. */
static int filtered_body(struct jrun *r, const struct jn *s, int *leave, struct jval *v)
{
	struct jval old = r->base;
	int rc = jr_capture(r, s->body, leave, v);

	if (rc == 0 && s->a && !*leave) {
		r->base = *v;
		rc = jr_eval(r, s->a, v);
		r->base = old;
	}
	return rc;
}

static int run_with(struct jrun *r, const struct jn *s, int *leave)
{
	struct env *env = r->env, *inner;
	struct jval v;

	if (enter(r, env) < 0)
		return -1;
	inner = r->env;
	for (const struct jn *t = s->list; t; t = t->next) {
		r->env = env;           /* values do not see each other */
		if (jr_eval(r, t->a, &v) < 0)
			return -1;
		r->env = inner;
		if (jr_set(r, t->val.s, v) < 0)
			return -1;
	}
	if (jr_body(r, s->body, leave) < 0)
		return -1;
	r->env = env;
	return 0;
}

static int define(struct jrun *r, const struct jn *s, struct jval *out)
{
	struct jfunc *f = jr_alloc(r, sizeof(*f));

	if (!f)
		return -1;
	*f = (struct jfunc){ .macro = s, .env = r->env };
	*out = (struct jval){ .type = V_FUNC, .func = f };
	return 0;
}

/* a: E_CALL; the body becomes its caller(). */
static int run_call(struct jrun *r, const struct jn *s)
{
	struct env *env = r->env;
	struct jval v;

	if (enter(r, env) < 0 || define(r, s, &v) < 0)
		return -1;
	r->call = s->a;
	r->caller = v;
	if (jr_eval(r, s->a, &v) < 0)
		return -1;
	r->env = env;
	return v_print(r, v, r->out);
}

static int statement(struct jrun *r, const struct jn *s, int *leave)
{
	struct jval v;

	if (jr_work(r, 0) < 0)
		return -1;
	switch (s->kind) {
	case S_TEXT:
		return v_print(r, s->val, r->out);
	case S_PRINT:
		return jr_eval(r, s->a, &v) < 0 ? -1 : v_print(r, v, r->out);
	case S_IF:
		return run_if(r, s, leave);
	case S_FOR:
		return run_for(r, s, leave);
	case S_SET:
		return jr_eval(r, s->a, &v) < 0 ? -1 : jr_assign(r, s->b, v);
	case S_SETBLOCK:
		return filtered_body(r, s, leave, &v) < 0 ? -1 : *leave ? 0 : jr_assign(r, s->b, v);
	case S_FILTER:
		return filtered_body(r, s, leave, &v) < 0 ? -1 : *leave ? 0 : v_print(r, v, r->out);
	case S_GENERATION:
		return jr_capture(r, s->body, leave, &v) < 0 ? -1 : v_print(r, v, r->out);
	case S_MACRO:
		return define(r, s, &v) < 0 ? -1 : jr_set(r, s->b->val.s, v);
	case S_CALL:
		return run_call(r, s);
	case S_WITH:
		return run_with(r, s, leave);
	case S_BREAK:
		*leave = LEAVE_BREAK;
		return 0;
	case S_CONTINUE:
		*leave = LEAVE_CONTINUE;
		return 0;
	default:
		return 0;
	}
}

int jr_body(struct jrun *r, const struct jn *s, int *leave)
{
	if (++r->calls > JINJA_CALLS)
		return err_set(ST_UNSUP, "calls nested too deep");
	for (; s && !*leave; s = s->next)
		if (statement(r, s, leave) < 0) {
			if (!r->placed)
				err_at("template: line %u", s->line);
			r->placed = true;
			return -1;
		}
	r->calls--;
	return 0;
}

/* --- macros --- */

static int extra(struct jrun *r, const struct jargs *a, const bool *used, size_t from, const struct jn *m)
{
	const char *name = m->b ? m->b->val.s : "caller", *where;
	struct jval list, dict = { .type = V_DICT };

	if (a->n > from && !m->flag)
		return err_set(ST_BAD, "macro '%s' takes no more than %zu arguments", name, from);
	if (jr_list(r, L_TUPLE, a->n > from ? a->n - from : 0, &list) < 0)
		return -1;
	for (size_t i = from; i < a->n; i++)
		list.list->v[i - from] = a->v[i];
	if (!(dict.dict = jr_alloc(r, sizeof(*dict.dict))))
		return -1;
	*dict.dict = (struct jdict){ 0 };
	for (size_t i = 0; i < a->nk; i++) {
		if (used[i])
			continue;
		if (a->k[i].n == 6 && !memcmp(a->k[i].s, "caller", 6) && m->flag3) {
			if (jr_set(r, jinja_name(r->j, "caller", 6, false), a->k[i].v) < 0)
				return -1;
		} else if (!m->flag2)
			return err_set(ST_BAD, "macro '%s' takes no argument '%.*s'", name, clip(a->k[i].n), a->k[i].s);
		else if (v_put(r, dict.dict, v_strn(a->k[i].s, a->k[i].n), a->k[i].v) < 0)
			return -1;
	}
	where = jinja_name(r->j, "varargs", 7, false);
	if (m->flag && jr_set(r, where, list) < 0)
		return -1;
	where = jinja_name(r->j, "kwargs", 6, false);
	return m->flag2 ? jr_set(r, where, dict) : 0;
}

static int parameters(struct jrun *r, const struct jn *m, const struct jargs *a, bool *used)
{
	size_t i = 0;

	for (const struct jn *p = m->list; p; p = p->next, i++) {
		struct jval v = v_undef(p->val.s, p->val.n);
		bool given = i < a->n;

		if (given)
			v = a->v[i];
		for (size_t k = 0; k < a->nk; k++) {
			if (a->k[k].n != p->val.n || memcmp(a->k[k].s, p->val.s, p->val.n))
				continue;
			if (given)
				return err_set(ST_BAD, "argument '%s' is given twice", p->val.s);
			v = a->k[k].v;
			given = used[k] = true;
		}
		if (!given && p->a && jr_eval(r, p->a, &v) < 0)
			return -1;
		if (jr_set(r, p->val.s, v) < 0)
			return -1;
	}
	return extra(r, a, used, i, m);
}

int jr_macro(struct jrun *r, const struct jfunc *f, const struct jargs *a, struct jval *out)
{
	struct env *env = r->env;
	bool *used = jr_alloc(r, a->nk + 1);
	int rc, leave = 0;

	if (!used || enter(r, f->env) < 0)
		return -1;
	memset(used, 0, a->nk + 1);
	rc = parameters(r, f->macro, a, used);
	if (rc == 0)
		rc = jr_capture(r, f->macro->body, &leave, out);
	r->env = env;
	return rc;
}

int jinja_render(const struct jinja *j, const struct jinja_var *var, size_t n, const char *date, struct bytes *out)
{
	struct jrun r = { .j = (struct jinja *)j, .out = out, .work = JINJA_WORK, .date = date };
	int leave = 0, rc = enter(&r, NULL);

	for (size_t i = 0; i < n && rc == 0; i++) {
		const char *name = jinja_name(r.j, var[i].name, strlen(var[i].name), false);
		struct jval v = { .type = V_NONE };

		if (!name)
			continue;       /* the template does not ask */
		if (var[i].json)
			rc = v_from_json(&r, var[i].json, &v);
		else if (var[i].text)
			v = v_strn(var[i].text, strlen(var[i].text));
		if (rc == 0)
			rc = jr_set(&r, name, v);
	}
	if (rc == 0)
		rc = jr_body(&r, j->body, &leave);
	arena_free(&r.mem);
	return rc;
}
