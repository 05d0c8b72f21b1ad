/* String methods of a template that look at what characters are: their case, their class. */
#include "data/jinjaint.h"

#include "base/err.h"

#include <string.h>
#include <utf8proc.h>

enum change { LOWER, UPPER, TITLE };

/* Characters whose other case is several characters, or depends on their neighbours: what the tables here lack. */
static bool special(uint32_t c, enum change to)
{
	if (to == LOWER)
		return c == 0x130 || c == 0x3a3;
	return c == 0xdf || c == 0x149 || c == 0x1f0 || c == 0x390 || c == 0x3b0 || c == 0x587 ||
	       (c >= 0x1e96 && c <= 0x1e9a) || (c >= 0x1f50 && c <= 0x1f56) || (c >= 0x1f80 && c <= 0x1faf) ||
	       (c >= 0x1fb2 && c <= 0x1ffc) || (c >= 0xfb00 && c <= 0xfb17);
}

static int put_case(struct bytes *b, uint32_t c, enum change to)
{
	if (special(c, to))
		return err_set(ST_UNSUP, "the other case of U+%04X is not supported", c);
	bytes_cp(b, (uint32_t)(to == LOWER ? utf8proc_tolower((utf8proc_int32_t)c) :
	                       to == UPPER ? utf8proc_toupper((utf8proc_int32_t)c) :
	                       utf8proc_totitle((utf8proc_int32_t)c)));
	return 0;
}

static bool cased(uint32_t c)
{
	return utf8proc_tolower((utf8proc_int32_t)c) != (utf8proc_int32_t)c ||
	       utf8proc_toupper((utf8proc_int32_t)c) != (utf8proc_int32_t)c;
}

/* The first character of x, or with `words` of every word, and the others. */
static int recase(struct jrun *r, struct jval x, enum change first, enum change rest, bool words, struct jval *out)
{
	struct bytes b = { 0 };
	bool begin = true;
	int rc = jr_work(r, x.n), len;

	for (size_t i = 0; i < x.n && rc == 0; i += (size_t)len) {
		uint32_t c = utf8_get(x.s + i, &len);

		rc = put_case(&b, c, begin ? first : rest);
		begin = words && !cased(c);
	}
	if (rc == 0)
		rc = jr_str(r, b.p ? b.p : "", b.n, out);
	if (rc == 0)
		out->safe = x.safe;
	bytes_free(&b);
	return rc;
}

BUILTIN(s_lower)
{
	UNUSED;
	return recase(r, x, LOWER, LOWER, false, out);
}

BUILTIN(s_upper)
{
	UNUSED;
	return recase(r, x, UPPER, UPPER, false, out);
}

BUILTIN(s_capitalize)
{
	UNUSED;
	return recase(r, x, TITLE, LOWER, false, out);
}

BUILTIN(s_title)
{
	UNUSED;
	return recase(r, x, TITLE, LOWER, true, out);
}

/* Whether there are such characters, and none that `no` says of; others do not matter where `mixed`. */
static int all(struct jrun *r, struct jval x, bool (*yes)(uint32_t), bool (*no)(uint32_t), struct jval *out)
{
	bool some = false, bad = false;
	int len;

	for (size_t i = 0; i < x.n; i += (size_t)len) {
		uint32_t c = utf8_get(x.s + i, &len);

		some |= yes(c);
		bad |= no ? no(c) : !yes(c);
	}
	*out = v_bool(some && !bad);
	return jr_work(r, x.n);
}

static bool lower(uint32_t c)
{
	return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LL;
}

static bool upper(uint32_t c)
{
	utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);

	return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LT;
}

static bool letter(uint32_t c)
{
	utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);

	return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static bool decimal(uint32_t c)
{
	return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_ND;
}

static bool alphanumeric(uint32_t c)
{
	return letter(c) || cp_number(c);
}

BUILTIN(s_islower)
{
	UNUSED;
	return all(r, x, lower, upper, out);
}

BUILTIN(s_isupper)
{
	UNUSED;
	return all(r, x, upper, lower, out);
}

BUILTIN(s_isalpha)
{
	UNUSED;
	return all(r, x, letter, NULL, out);
}

BUILTIN(s_isdigit)
{
	UNUSED;
	return all(r, x, decimal, NULL, out);
}

BUILTIN(s_isnumeric)
{
	UNUSED;
	return all(r, x, cp_number, NULL, out);
}

BUILTIN(s_isalnum)
{
	UNUSED;
	return all(r, x, alphanumeric, NULL, out);
}

BUILTIN(s_isspace)
{
	UNUSED;
	return all(r, x, v_space, NULL, out);
}

#define S(name) { #name, s_##name, "", 0 }
static const struct jbuiltin methods[] = {
	S(lower), S(upper), S(capitalize), S(title), S(islower), S(isupper), S(isalpha), S(isdigit), S(isnumeric),
	S(isalnum), S(isspace), { "isdecimal", s_isdigit, "", 0 },
};

const struct jbuiltin *jm_case(const char *name, size_t n)
{
	return ROW_OF(methods, name, n);
}
