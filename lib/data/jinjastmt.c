/* Statements of a template, from tokens to a tree. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

static const char *const ends[] = {
	"endif", "elif", "else", "endfor", "endset", "endmacro", "endcall", "endfilter", "endwith", "endgeneration",
	"endraw",
};

static bool at_end(const struct parser *p)
{
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (jp_word(p, ends[i]))
			return true;
	return false;
}

static int block_end(struct parser *p)
{
	if (p->t->kind != T_BLOCK_END)
		return jp_bad(p, "the end of the tag");
	p->t++;
	return 0;
}

/* The name of a variable, or with `attr` NAME.ATTR, which is then in body. */
static struct jn *target_name(struct parser *p, bool attr)
{
	struct jn *e, *sub;

	if (p->t->kind != T_NAME) {
		jp_bad(p, "a variable");
		return NULL;
	}
	e = jn_new(p, S_TARGET);
	e->val = v_strn(jinja_name(p->j, p->t->s, p->t->n, true), p->t->n);
	p->t++;
	if (!attr || !jp_take(p, '.'))
		return e;
	if (!(sub = target_name(p, false)))
		return NULL;
	e->flag = true;
	e->body = sub;
	return e;
}

/* A name, or several in brackets. */
static struct jn *one_target(struct parser *p, bool attr)
{
	struct jn *e;

	if (!jp_take(p, '('))
		return target_name(p, attr);
	if (++p->depth > JINJA_DEPTH) {
		err_set(ST_UNSUP, "template: line %u: nested too deep", p->t->line);
		return NULL;
	}
	e = jp_target(p, attr);
	p->depth--;
	return e && jp_expect(p, ')') == 0 ? e : NULL;
}

/* Several are in a node whose list they are. */
struct jn *jp_target(struct parser *p, bool attr)
{
	struct jn *e = one_target(p, attr), *all, **tail;

	if (!e || !jp_op(p, ','))
		return e;
	all = jn_new(p, S_TARGET);
	all->list = e;
	tail = &e->next;
	while (jp_take(p, ',')) {
		if (p->t->kind != T_NAME && !jp_op(p, '('))
			break;
		if (!(*tail = one_target(p, attr)))
			return NULL;
		tail = &(*tail)->next;
	}
	return all;
}

/* What stands before a tag that ends something; that one is left unread behind its T_BLOCK. */
struct jn *jp_body(struct parser *p)
{
	struct jn *first = jn_new(p, S_TEXT), **tail = &first->next;

	if (++p->depth > JINJA_DEPTH) {
		err_set(ST_UNSUP, "template: line %u: nested too deep", p->t->line);
		return NULL;
	}
	first->val = v_strn("", 0);
	while (p->t->kind != T_EOF) {
		struct jn *s = NULL;

		if (p->t->kind == T_TEXT) {
			s = jn_new(p, S_TEXT);
			s->val = v_strn(p->t->s, p->t->n);
			p->t++;
		} else if (p->t->kind == T_VAR) {
			p->t++;
			s = jn_new(p, S_PRINT);
			if (!(s->a = jp_tuple(p, 0)))
				return NULL;
			if (p->t->kind != T_VAR_END) {
				jp_bad(p, "the end of the tag");
				return NULL;
			}
			p->t++;
		} else {
			p->t++;
			if (at_end(p))
				break;
			if (!(s = jp_statement(p)))
				return NULL;
		}
		*tail = s;
		tail = &s->next;
	}
	p->depth--;
	return first;
}

/* The rest of the tag, a body, and the tag `end`. */
static struct jn *body_until(struct parser *p, const char *end)
{
	struct jn *b;

	jp_take(p, ':');
	if (block_end(p) < 0 || !(b = jp_body(p)))
		return NULL;
	if (!jp_take_word(p, end)) {
		jp_bad(p, end);
		return NULL;
	}
	return block_end(p) < 0 ? NULL : b;
}

/* A chain of arms (a: the condition; body), then perhaps `other`. */
static struct jn *parse_if(struct parser *p)
{
	struct jn *e = jn_new(p, S_IF), **tail = &e->list, *arm;

	do {
		arm = *tail = jn_new(p, S_ARM);
		tail = &arm->next;
		if (!(arm->a = jp_tuple(p, NO_IF)))
			return NULL;
		jp_take(p, ':');
		if (block_end(p) < 0 || !(arm->body = jp_body(p)))
			return NULL;
	} while (jp_take_word(p, "elif"));
	if (jp_take_word(p, "else")) {
		e->other = body_until(p, "endif");
		return e->other ? e : NULL;
	}
	if (!jp_take_word(p, "endif")) {
		jp_bad(p, "endif");
		return NULL;
	}
	return block_end(p) < 0 ? NULL : e;
}

/* b: the target; a: what is walked; c: the condition; other: when there was nothing. */
static struct jn *parse_for(struct parser *p)
{
	struct jn *e = jn_new(p, S_FOR);

	if (!(e->b = jp_target(p, false)))
		return NULL;
	if (!jp_take_word(p, "in")) {
		jp_bad(p, "'in'");
		return NULL;
	}
	if (!(e->a = jp_tuple(p, NO_IF | END_RECURSIVE)))
		return NULL;
	if (jp_take_word(p, "if") && !(e->c = jp_expr(p, 0)))
		return NULL;
	if (jp_word(p, "recursive")) {
		err_set(ST_UNSUP, "template: line %u: a recursive loop is not supported", p->t->line);
		return NULL;
	}
	jp_take(p, ':');
	if (block_end(p) < 0)
		return NULL;
	p->loops++;
	e->body = jp_body(p);
	p->loops--;
	if (!e->body)
		return NULL;
	if (jp_take_word(p, "else")) {
		e->other = body_until(p, "endfor");
		return e->other ? e : NULL;
	}
	if (!jp_take_word(p, "endfor")) {
		jp_bad(p, "endfor");
		return NULL;
	}
	return block_end(p) < 0 ? NULL : e;
}

static struct jn *parse_set(struct parser *p)
{
	struct jn *e = jn_new(p, S_SET);

	if (!(e->b = jp_target(p, true)))
		return NULL;
	if (jp_take(p, '=')) {
		e->a = jp_tuple(p, 0);
		return e->a && block_end(p) == 0 ? e : NULL;
	}
	e->kind = S_SETBLOCK;
	if (jp_filters(p, &e->a) < 0)
		return NULL;
	e->body = body_until(p, "endset");
	return e->body ? e : NULL;
}

/* (a, b=1) into macro->list: keywords, whose a is the default. */
int jp_params(struct parser *p, struct jn *macro)
{
	struct jn **tail = &macro->list, *e;
	bool defaults = false;

	if (jp_expect(p, '(') < 0)
		return -1;
	while (!jp_op(p, ')')) {
		if (macro->list && jp_expect(p, ',') < 0)
			return -1;
		if (!(e = target_name(p, false)))
			return -1;
		if (jp_take(p, '=')) {
			defaults = true;
			if (!(e->a = jp_expr(p, 0)))
				return -1;
		} else if (defaults)
			return jp_bad(p, "a default");
		*tail = e;
		tail = &e->next;
	}
	p->t++;
	return 0;
}

static struct jn *macro_body(struct parser *p, struct jn *e, const char *end)
{
	struct jn *outer = p->macro;
	int loops = p->loops;

	p->macro = e->kind == S_GENERATION ? outer : e;
	p->loops = 0;
	e->body = body_until(p, end);
	p->macro = outer;
	p->loops = loops;
	return e->body ? e : NULL;
}

static struct jn *parse_macro(struct parser *p)
{
	struct jn *e = jn_new(p, S_MACRO);

	if (!(e->b = target_name(p, false)) || jp_params(p, e) < 0)
		return NULL;
	return macro_body(p, e, "endmacro");
}

/* a: the call. */
static struct jn *parse_call(struct parser *p)
{
	struct jn *e = jn_new(p, S_CALL);

	if (jp_op(p, '(') && jp_params(p, e) < 0)
		return NULL;
	if (!(e->a = jp_expr(p, 0)))
		return NULL;
	if (e->a->kind != E_CALL) {
		jp_bad(p, "a call");
		return NULL;
	}
	return macro_body(p, e, "endcall");
}

static struct jn *parse_filter(struct parser *p)
{
	struct jn *e = jn_new(p, S_FILTER), *x = NULL;

	do {
		if (jp_filter(p, &x) < 0)
			return NULL;
	} while (jp_take(p, '|'));
	e->a = x;
	e->body = body_until(p, "endfilter");
	return e->body ? e : NULL;
}

/* list: targets, whose a are the values. */
static struct jn *parse_with(struct parser *p)
{
	struct jn *e = jn_new(p, S_WITH), **tail = &e->list, *x;

	while (p->t->kind != T_BLOCK_END) {
		if (e->list && jp_expect(p, ',') < 0)
			return NULL;
		if (!(x = target_name(p, false)) || jp_expect(p, '=') < 0 || !(x->a = jp_expr(p, 0)))
			return NULL;
		*tail = x;
		tail = &x->next;
	}
	e->body = body_until(p, "endwith");
	return e->body ? e : NULL;
}

static struct jn *parse_generation(struct parser *p)
{
	return macro_body(p, jn_new(p, S_GENERATION), "endgeneration");
}

static struct jn *leave(struct parser *p, enum jn_kind kind)
{
	struct jn *e = jn_new(p, kind);

	if (!p->loops) {
		err_set(ST_BAD, "template: line %u: 'break' or 'continue' outside a loop", e->line);
		return NULL;
	}
	return block_end(p) < 0 ? NULL : e;
}

static struct jn *parse_break(struct parser *p)
{
	return leave(p, S_BREAK);
}

static struct jn *parse_continue(struct parser *p)
{
	return leave(p, S_CONTINUE);
}

static struct jn *parse_print(struct parser *p)
{
	struct jn *e = jn_new(p, S_PRINT), *all = jn_new(p, E_CONCAT), **tail = &all->list;

	e->a = all;
	do {
		if (!(*tail = jp_expr(p, 0)))
			return NULL;
		tail = &(*tail)->next;
	} while (jp_take(p, ','));
	return block_end(p) == 0 ? e : NULL;
}

struct jn *jp_statement(struct parser *p)
{
	static const struct { const char *name; struct jn *(*parse)(struct parser *); } tag[] = {
		{ "if", parse_if }, { "for", parse_for }, { "set", parse_set }, { "macro", parse_macro },
		{ "call", parse_call }, { "filter", parse_filter }, { "with", parse_with },
		{ "generation", parse_generation }, { "break", parse_break }, { "continue", parse_continue },
		{ "print", parse_print },
	};

	if (p->t->kind != T_NAME) {
		jp_bad(p, "the name of a tag");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(tag) / sizeof(*tag); i++)
		if (jp_take_word(p, tag[i].name))
			return tag[i].parse(p);
	err_set(ST_UNSUP, "template: line %u: the tag '%.*s' is not supported", p->t->line, clip(p->t->n), p->t->s);
	return NULL;
}

struct jinja *jinja_parse(const char *text, size_t len)
{
	struct jinja *j = xcalloc(1, sizeof(*j));
	struct parser p = { .j = j };
	struct jtok *t;

	if (jinja_lex(&j->mem, text, len, &t) < 0) {
		jinja_free(j);
		return NULL;
	}
	p.t = t;
	j->body = jp_body(&p);
	if (j->body && p.t->kind != T_EOF) {
		err_set(ST_BAD, "template: line %u: '%.*s' ends nothing", p.t->line, clip(p.t->n), p.t->s);
		j->body = NULL;
	}
	if (!j->body) {
		jinja_free(j);
		return NULL;
	}
	return j;
}

void jinja_free(struct jinja *j)
{
	if (!j)
		return;
	free(j->names.v);
	arena_free(&j->mem);
	free(j);
}
