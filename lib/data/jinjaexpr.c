/* Expressions of a template, from tokens to a tree.  Precedence, from loose to tight: if-else, or, and, not,
 * comparisons, + -, ~, * / // %, **, unary; then subscripts and calls, filters and tests. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <string.h>

struct jn *jn_new(struct parser *p, enum jn_kind kind)
{
	struct jn *e = arena_alloc(&p->j->mem, sizeof(*e));

	*e = (struct jn){ .kind = kind, .line = p->t->line };
	return e;
}

const char *jinja_name(struct jinja *j, const char *s, size_t n, bool add)
{
	char *copy;

	for (size_t i = 0; i < j->names.n; i++)
		if (j->names.v[i].k.n == n && !memcmp(j->names.v[i].k.s, s, n))
			return j->names.v[i].k.s;
	if (!add)
		return NULL;
	copy = arena_alloc(&j->mem, n + 1);
	memcpy(copy, s, n);
	copy[n] = '\0';
	j->names.v = xgrow(j->names.v, j->names.n + 1, &j->names.cap, sizeof(*j->names.v));
	j->names.v[j->names.n++].k = v_strn(copy, n);
	return copy;
}

bool jp_op(const struct parser *p, int op)
{
	return p->t->kind == T_OP && p->t->op == op;
}

bool jp_take(struct parser *p, int op)
{
	bool yes = jp_op(p, op);

	p->t += yes;
	return yes;
}

bool jp_word(const struct parser *p, const char *name)
{
	return p->t->kind == T_NAME && p->t->n == strlen(name) && !memcmp(p->t->s, name, p->t->n);
}

bool jp_take_word(struct parser *p, const char *name)
{
	bool yes = jp_word(p, name);

	p->t += yes;
	return yes;
}

int jp_bad(struct parser *p, const char *what)
{
	if (p->t->kind == T_EOF)
		return err_set(ST_BAD, "template: it ends where %s should be", what);
	if (p->t->kind == T_NAME)
		return err_set(ST_BAD, "template: line %u: '%.*s' where %s should be", p->t->line, clip(p->t->n), p->t->s,
		               what);
	return err_set(ST_BAD, "template: line %u: no %s where it should be", p->t->line, what);
}

int jp_expect(struct parser *p, int op)
{
	char what[] = { '\'', (char)op, '\'', 0 };

	return jp_take(p, op) ? 0 : jp_bad(p, what);
}

/* The tree is walked by recursion: it must not be deep, and left-leaning chains make it so without nesting. */
static struct jn *deeper(struct jn *e, const struct jn *below)
{
	if (below && below->depth >= e->depth)
		e->depth = below->depth + 1;
	if (e->depth <= JINJA_DEPTH)
		return e;
	err_set(ST_UNSUP, "template: line %u: an expression nested too deep", e->line);
	return NULL;
}

static struct jn *node(struct parser *p, enum jn_kind kind, int op, struct jn *a, struct jn *b)
{
	struct jn *e = jn_new(p, kind);

	e->op = op;
	e->a = a;
	e->b = b;
	return deeper(e, a) && deeper(e, b) ? e : NULL;
}

/* Appends x to the chain that ends at *tail. */
static struct jn **chain(struct jn *e, struct jn **tail, struct jn *x)
{
	*tail = x;
	return deeper(e, x) ? &x->next : NULL;
}

static struct jn *name_node(struct parser *p, enum jn_kind kind)
{
	struct jn *e;

	if (p->t->kind != T_NAME) {
		jp_bad(p, "a name");
		return NULL;
	}
	e = jn_new(p, kind);
	e->val = v_strn(jinja_name(p->j, p->t->s, p->t->n, true), p->t->n);
	p->t++;
	return e;
}

/* --- primary --- */

/* [a, b] and {k: v}: the opening bracket is the current token. */
static struct jn *display(struct parser *p, bool dict)
{
	struct jn *e = jn_new(p, dict ? E_DICT : E_LIST), **tail = &e->list, *x;
	int close = dict ? '}' : ']';

	p->t++;
	while (!jp_op(p, close)) {
		if (e->list && jp_expect(p, ',') < 0)
			return NULL;
		if (jp_op(p, close))
			break;
		if (!(x = jp_expr(p, 0)) || !(tail = chain(e, tail, x)))
			return NULL;
		if (dict && (jp_expect(p, ':') < 0 || !(x = jp_expr(p, 0)) || !(tail = chain(e, tail, x))))
			return NULL;
	}
	p->t++;
	return e;
}

static struct jn *name_or_constant(struct parser *p)
{
	static const struct { const char *name; enum jval_type type; bool yes; } word[] = {
		{ "true", V_BOOL, true }, { "True", V_BOOL, true }, { "false", V_BOOL, false },
		{ "False", V_BOOL, false }, { "none", V_NONE, false }, { "None", V_NONE, false },
	};
	struct jn *e;

	for (size_t i = 0; i < sizeof(word) / sizeof(*word); i++)
		if (jp_word(p, word[i].name)) {
			e = jn_new(p, E_CONST);
			e->val = (struct jval){ .type = word[i].type, .i = word[i].yes };
			p->t++;
			return e;
		}
	if (p->macro && jp_word(p, "varargs"))
		p->macro->flag = true;
	if (p->macro && jp_word(p, "kwargs"))
		p->macro->flag2 = true;
	if (p->macro && jp_word(p, "caller"))
		p->macro->flag3 = true;
	return name_node(p, E_NAME);
}

/* Strings that stand side by side are one. */
static struct jn *strings(struct parser *p)
{
	struct jn *e = jn_new(p, E_CONST);
	const struct jtok *end = p->t;
	size_t n = 0;
	char *s;

	for (; end->kind == T_STR; end++)
		n += end->n;
	s = arena_alloc(&p->j->mem, n + 1);
	e->val = v_strn(s, n);
	for (; p->t < end; s += p->t->n, p->t++)
		memcpy(s, p->t->s, p->t->n);
	return e;
}

static struct jn *primary(struct parser *p)
{
	struct jn *e;

	switch (p->t->kind) {
	case T_NAME:
		return name_or_constant(p);
	case T_STR:
		return strings(p);
	case T_INT:
	case T_FLOAT:
		e = jn_new(p, E_CONST);
		e->val = p->t->kind == T_INT ? v_int(p->t->i) : v_float(p->t->f);
		p->t++;
		return e;
	default:
		break;
	}
	if (jp_take(p, '(')) {
		e = jp_tuple(p, PARENS);
		return e && jp_expect(p, ')') == 0 ? e : NULL;
	}
	if (jp_op(p, '[') || jp_op(p, '{'))
		return display(p, jp_op(p, '{'));
	jp_bad(p, "an expression");
	return NULL;
}

/* --- subscripts, calls, filters, tests --- */

/* (a, b, k=v) into e->list. */
static int arguments(struct parser *p, struct jn *e)
{
	struct jn **tail = &e->list, *x;
	bool keyword = false;

	if (jp_expect(p, '(') < 0)
		return -1;
	while (!jp_op(p, ')')) {
		if (e->list && jp_expect(p, ',') < 0)
			return -1;
		if (jp_op(p, ')'))
			break;
		if (jp_op(p, '*') || jp_op(p, OP2('*', '*')))
			return err_set(ST_UNSUP, "template: line %u: arguments by '*' are not supported", p->t->line);
		if (p->t->kind == T_NAME && p->t[1].kind == T_OP && p->t[1].op == '=') {
			x = name_node(p, E_KEYWORD);
			p->t++;
			if (!(x->a = jp_expr(p, 0)) || !deeper(x, x->a))
				return -1;
			keyword = true;
		} else if (keyword)
			return jp_bad(p, "a keyword argument");
		else
			x = jp_expr(p, 0);
		if (!x || !(tail = chain(e, tail, x)))
			return -1;
	}
	p->t++;
	return 0;
}

static struct jn *slice(struct parser *p)
{
	struct jn *e = jn_new(p, E_SLICE), **part[3] = { &e->a, &e->b, &e->c };

	for (int i = 0; i < 3; i++) {
		if (!jp_op(p, ':') && !jp_op(p, ']')) {
			if (!(*part[i] = jp_expr(p, 0)) || !deeper(e, *part[i]))
				return NULL;
		}
		if (i == 0 && !jp_op(p, ':'))
			return e->a;
		if (i < 2 && !jp_take(p, ':'))
			break;
	}
	return e;
}

static struct jn *subscript(struct parser *p, struct jn *a)
{
	struct jn *e;

	if (jp_take(p, '.')) {
		if (p->t->kind == T_INT) {
			e = node(p, E_ITEM, 0, a, NULL);
			if (!e || !(e->b = primary(p)))
				return NULL;
			return e;
		}
		if (!(e = name_node(p, E_ATTR)))
			return NULL;
		e->a = a;
		return deeper(e, a);
	}
	p->t++;
	if (jp_op(p, ']')) {
		jp_bad(p, "a subscript");
		return NULL;
	}
	if (!(e = node(p, E_ITEM, 0, a, NULL)) || !(e->b = slice(p)) || !deeper(e, e->b))
		return NULL;
	if (jp_op(p, ',')) {
		err_set(ST_UNSUP, "template: line %u: a subscript of several values is not supported", p->t->line);
		return NULL;
	}
	return jp_expect(p, ']') == 0 ? e : NULL;
}

static struct jn *call(struct parser *p, struct jn *a)
{
	struct jn *e = node(p, E_CALL, 0, a, NULL);

	return e && arguments(p, e) == 0 ? e : NULL;
}

static struct jn *postfix(struct parser *p, struct jn *e)
{
	while (e && (jp_op(p, '.') || jp_op(p, '[') || jp_op(p, '(')))
		e = jp_op(p, '(') ? call(p, e) : subscript(p, e);
	return e;
}

int jp_filter(struct parser *p, struct jn **x)
{
	struct jn *e = name_node(p, E_FILTER);

	if (!e)
		return -1;
	e->a = *x;
	if (!deeper(e, *x) || (jp_op(p, '(') && arguments(p, e) < 0))
		return -1;
	*x = e;
	return 0;
}

int jp_filters(struct parser *p, struct jn **x)
{
	*x = NULL;
	while (jp_take(p, '|'))
		if (jp_filter(p, x) < 0)
			return -1;
	return 0;
}

static struct jn *test(struct parser *p, struct jn *a)
{
	bool no = jp_take_word(p, "not"), more;
	struct jn *e = name_node(p, E_TEST), *x;

	if (!e)
		return NULL;
	e->a = a;
	e->flag = no;
	if (!deeper(e, a))
		return NULL;
	if (jp_op(p, '('))
		return arguments(p, e) == 0 ? e : NULL;
	more = p->t->kind == T_STR || p->t->kind == T_INT || p->t->kind == T_FLOAT || jp_op(p, '[') || jp_op(p, '{') ||
	       (p->t->kind == T_NAME && !jp_word(p, "else") && !jp_word(p, "or") && !jp_word(p, "and"));
	if (!more)
		return e;
	if (jp_word(p, "is")) {
		jp_bad(p, "something other than a test of a test");
		return NULL;
	}
	x = postfix(p, primary(p));
	return x && chain(e, &e->list, x) ? e : NULL;
}

static struct jn *filtered(struct parser *p, struct jn *e)
{
	while (e) {
		if (jp_take(p, '|')) {
			if (jp_filter(p, &e) < 0)
				return NULL;
		} else if (jp_take_word(p, "is"))
			e = test(p, e);
		else if (jp_op(p, '('))
			e = call(p, e);
		else
			break;
	}
	return e;
}

/* --- operators --- */

static struct jn *unary(struct parser *p, bool filters)
{
	struct jn *e;

	if (++p->depth > JINJA_DEPTH) {
		err_set(ST_UNSUP, "template: line %u: nested too deep", p->t->line);
		return NULL;
	}
	if (jp_op(p, '-') || jp_op(p, '+')) {
		bool minus = jp_op(p, '-');

		p->t++;
		e = unary(p, false);
		e = e ? node(p, minus ? E_NEG : E_POS, 0, e, NULL) : NULL;
	} else
		e = primary(p);
	e = postfix(p, e);
	if (filters)
		e = filtered(p, e);
	p->depth--;
	return e;
}

/* Operators of one level, which bind to the left. */
static struct jn *level(struct parser *p, int k)
{
	static const int ops[][4] = { { '+', '-' }, { 0 }, { '*', '/', OP2('/', '/'), '%' }, { OP2('*', '*') } };
	enum { TILDE = 1, TOP = 4 };
	struct jn *e, *x, *all = NULL, **tail;

	if (k == TOP)
		return unary(p, true);
	e = level(p, k + 1);
	while (e && k == TILDE && jp_take(p, '~')) {
		if (!all) {
			all = jn_new(p, E_CONCAT);
			if (!(tail = chain(all, &all->list, e)))
				return NULL;
		}
		x = level(p, k + 1);
		if (!x || !(tail = chain(all, tail, x)))
			return NULL;
	}
	if (all)
		return all;
	for (int i = 0; e && k != TILDE && i < 4; i++) {
		int op = ops[k][i];

		if (!op || !jp_take(p, op))
			continue;
		x = level(p, k + 1);
		e = x ? node(p, E_BIN, op, e, x) : NULL;
		i = -1;
	}
	return e;
}

static bool comparison(struct parser *p, int *op)
{
	static const int ops[] = { OP2('=', '='), OP2('!', '='), '<', OP2('<', '='), '>', OP2('>', '=') };

	for (size_t i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		if (jp_take(p, *op = ops[i]))
			return true;
	if (jp_take_word(p, "in")) {
		*op = 'i';
		return true;
	}
	if (jp_word(p, "not") && p->t[1].kind == T_NAME && p->t[1].n == 2 && !memcmp(p->t[1].s, "in", 2)) {
		p->t += 2;
		*op = 'n';
		return true;
	}
	return false;
}

static struct jn *compare(struct parser *p)
{
	struct jn *e, *x, *all = NULL, **tail = NULL;
	int op;

	if (jp_take_word(p, "not")) {
		if (++p->depth > JINJA_DEPTH) {
			err_set(ST_UNSUP, "template: line %u: nested too deep", p->t->line);
			return NULL;
		}
		e = compare(p);
		p->depth--;
		return e ? node(p, E_NOT, 0, e, NULL) : NULL;
	}
	e = level(p, 0);
	while (e && comparison(p, &op)) {
		if (!all) {
			all = node(p, E_CMP, 0, e, NULL);
			tail = all ? &all->list : NULL;
		}
		x = level(p, 0);
		if (!x || !all)
			return NULL;
		/* its own node, for x may be one that carries an operator itself */
		x = node(p, E_CMP, op, x, NULL);
		if (!x || !(tail = chain(all, tail, x)))
			return NULL;
	}
	return all ? all : e;
}

static struct jn *logic(struct parser *p, bool or)
{
	struct jn *e = or ? logic(p, false) : compare(p), *x;

	while (e && jp_take_word(p, or ? "or" : "and")) {
		x = or ? logic(p, false) : compare(p);
		e = x ? node(p, or ? E_OR : E_AND, 0, e, x) : NULL;
	}
	return e;
}

struct jn *jp_expr(struct parser *p, int flags)
{
	struct jn *e, *x;

	if (++p->depth > JINJA_DEPTH) {
		err_set(ST_UNSUP, "template: line %u: nested too deep", p->t->line);
		return NULL;
	}
	e = logic(p, true);
	while (e && !(flags & NO_IF) && jp_take_word(p, "if")) {
		x = logic(p, true);
		e = x ? node(p, E_IF, 0, x, e) : NULL;
		if (e && jp_take_word(p, "else") && (!(e->c = jp_expr(p, 0)) || !deeper(e, e->c)))
			e = NULL;
	}
	p->depth--;
	return e;
}

static bool tuple_end(const struct parser *p, int flags)
{
	return p->t->kind == T_VAR_END || p->t->kind == T_BLOCK_END || jp_op(p, ')') ||
	       ((flags & END_RECURSIVE) && jp_word(p, "recursive"));
}

struct jn *jp_tuple(struct parser *p, int flags)
{
	struct jn *e = NULL, **tail = NULL, *x = NULL;

	if (tuple_end(p, flags) && (flags & PARENS))
		return jn_new(p, E_TUPLE);
	while (x == NULL || !tuple_end(p, flags)) {
		if (!(x = jp_expr(p, flags)))
			return NULL;
		if (!e && !jp_op(p, ','))
			return x;
		if (!e) {
			e = jn_new(p, E_TUPLE);
			tail = &e->list;
		}
		if (!(tail = chain(e, tail, x)))
			return NULL;
		if (!jp_take(p, ','))
			break;
	}
	return e;
}
