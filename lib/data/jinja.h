/* Chat templates: the part of Jinja that those of the public families use, with the environment that the
 * transformers library gives them (blocks trimmed, loop controls, raise_exception, strftime_now, its tojson).
 * A template is a program from outside: what it may nest, allocate and do is bounded. */
#ifndef JINJA_H
#define JINJA_H

#include "data/chars.h"
#include "data/jtree.h"

struct jinja;

/* -1 of ST_BAD: no template; of ST_UNSUP: a tag that is not supported.  The text may go afterwards. */
struct jinja *jinja_parse(const char *text, size_t len);        /* NULL: error set */
void jinja_free(struct jinja *);

/* A variable of the template: a JSON value, or a string. */
struct jinja_var {
	const char *name;
	const struct jnode *json;       /* NULL: text, and without that, None */
	const char *text;
};
/* Appends what the template makes of the variables, a later one of equal names winning.  date ("2024-07-26") is
 * the day for strftime_now; NULL: a template that asks is not supported.  -1: error set: ST_BAD, what these
 * variables do to the template, its own refusals among it; ST_UNSUP. */
int jinja_render(const struct jinja *, const struct jinja_var *, size_t n, const char *date, struct bytes *out);
/* Whether date is one. */
bool jinja_date(const char *date);

#endif
