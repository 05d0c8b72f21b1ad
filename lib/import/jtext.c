/* Text that grows, for the files that a GGUF import writes itself: vocabularies of a quarter million entries,
 * which a JSON tree with its linear look-ups would take minutes to build. */
#include "import/ggufile.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_add(struct text *t, const void *p, size_t n)
{
	t->s = xgrow(t->s, t->n + n + 1, &t->cap, 1);
	if (n)
		memcpy(t->s + t->n, p, n);
	t->n += n;
	t->s[t->n] = '\0';
}

void text_fmt(struct text *t, const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(buf))
		die(ST_FAIL, "a line of %d bytes does not fit", n);
	text_add(t, buf, (size_t)n);
}

void text_quote(struct text *t, struct gguf_str s)
{
	text_add(t, "\"", 1);
	for (uint64_t i = 0, from = 0; i <= s.n; i++) {
		unsigned char c = i < s.n ? (unsigned char)s.s[i] : 0;

		if (i < s.n && c >= 0x20 && c != '"' && c != '\\')
			continue;
		text_add(t, s.s + from, (size_t)(i - from));
		from = i + 1;
		if (i == s.n)
			break;
		if (c == '"' || c == '\\')
			text_fmt(t, "\\%c", c);
		else
			text_fmt(t, "\\u%04x", c);
	}
	text_add(t, "\"", 1);
}
