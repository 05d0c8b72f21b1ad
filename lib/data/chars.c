#include "data/chars.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void bytes_need(struct bytes *b, size_t more)
{
	if (more > SIZE_MAX - b->n)
		die(ST_FAIL, "out of memory (%zu bytes)", more);
	b->p = xgrow(b->p, b->n + more, &b->cap, 1);
}

void bytes_put(struct bytes *b, const void *s, size_t n)
{
	if (!n)
		return;
	bytes_need(b, n);
	memcpy(b->p + b->n, s, n);
	b->n += n;
}

void bytes_cp(struct bytes *b, uint32_t cp)
{
	bytes_need(b, 4);
	b->n += (size_t)utf8_put(b->p + b->n, cp);
}

void bytes_free(struct bytes *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

void utf8_lossy(struct bytes *out, const char *s, size_t n)
{
	while (n) {
		size_t ok = utf8_valid(s, n);

		bytes_put(out, s, ok);
		s += ok;
		n -= ok;
		if (n) {
			size_t bad = (size_t)-utf8_seq(s, n);

			bytes_put(out, "\xef\xbf\xbd", 3);
			s += bad;
			n -= bad;
		}
	}
}

bool cp_space(uint32_t c)
{
	if (c < 0x80)
		return c == ' ' || (c >= 9 && c <= 13);
	return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
	       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

bool cp_number(uint32_t c)
{
	utf8proc_category_t k;

	if (c < 0x80)
		return c >= '0' && c <= '9';
	k = utf8proc_category((utf8proc_int32_t)c);
	return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO;
}

bool cp_punct(uint32_t c)
{
	utf8proc_category_t k;

	if (c < 0x80)
		return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
		       (c >= 123 && c <= 126);
	k = utf8proc_category((utf8proc_int32_t)c);
	return k >= UTF8PROC_CATEGORY_PC && k <= UTF8PROC_CATEGORY_PO;
}

bool cp_mark(uint32_t c)
{
	utf8proc_category_t k;

	if (c < 0x300)
		return false;
	k = utf8proc_category((utf8proc_int32_t)c);
	return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_ME;
}

bool cp_nonspacing(uint32_t c)
{
	return c >= 0x300 && utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_MN;
}

bool cp_other(uint32_t c)
{
	utf8proc_category_t k;

	if (c == '\t' || c == '\n' || c == '\r')
		return false;
	k = utf8proc_category((utf8proc_int32_t)c);
	return k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF || k == UTF8PROC_CATEGORY_CO;
}

void bytes_lower(struct bytes *b, uint32_t c)
{
	if (c == 0x130) {               /* the one character whose lower-case form is two */
		bytes_cp(b, 'i');
		bytes_cp(b, 0x307);
	} else
		bytes_cp(b, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
}

static const utf8proc_option_t form_opt[] = {
	[NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
	[NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
	[NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
	[NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
};

static int form_run(struct bytes *out, const char *s, size_t n, enum nform form)
{
	utf8proc_int32_t small[128], *cp = small;
	utf8proc_ssize_t k, room = 128;

	k = utf8proc_decompose((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, cp, room, form_opt[form]);
	if (k > room) {
		room = k + 1;
		cp = xmalloc((size_t)room * sizeof(*cp));
		k = utf8proc_decompose((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, cp, room, form_opt[form]);
	}
	if (k >= 0)
		k = utf8proc_normalize_utf32(cp, k, form_opt[form]);
	for (utf8proc_ssize_t i = 0; i < k; i++)
		bytes_cp(out, (uint32_t)cp[i]);
	if (cp != small)
		free(cp);
	return k < 0 ? err_set(ST_FAIL, "cannot normalise text: %s", utf8proc_errmsg(k)) : 0;
}

/* ASCII is the same in every form and starts anew: what comes before it is finished.  So the text falls
 * into stretches of ASCII and runs "last ASCII character, then others", and only a run is worked on.  No
 * character below U+0300 is changed by NFC. */
int nform_put(struct bytes *out, const char *s, size_t n, enum nform form)
{
	size_t i = 0, done = 0;

	while (i < n) {
		size_t b, e;
		bool touch = form != NFC;

		if (!(s[i] & 0x80)) {
			i++;
			continue;
		}
		b = i > done ? i - 1 : i;
		for (e = i; e < n && s[e] & 0x80; e++)
			touch |= (unsigned char)s[e] >= 0xcc;
		if (touch) {
			bytes_put(out, s + done, b - done);
			if (form_run(out, s + b, e - b, form) < 0)
				return -1;
			done = e;
		}
		i = e;
	}
	bytes_put(out, s + done, n - done);
	return 0;
}

static bool printable(unsigned b)
{
	return (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

/* The other 68 bytes, in order, stand at U+0100 and up: 00..20, then 7F..A0, then AD. */
uint32_t byte_standin(uint8_t b)
{
	if (printable(b))
		return b;
	return 0x100u + (b <= 0x20 ? b : b <= 0xa0 ? b - 0x7fu + 33 : 67);
}

void bytes_standins(struct bytes *b, const char *s, size_t n)
{
	char *p;

	bytes_need(b, 2 * n);
	p = b->p + b->n;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)s[i];

		if (c > 0x20 && c < 0x7f)
			*p++ = s[i];
		else
			p += utf8_put(p, byte_standin(c));
	}
	b->n = (size_t)(p - b->p);
}

int standin_byte(uint32_t c)
{
	if (c < 0x100)
		return printable(c) ? (int)c : -1;
	c -= 0x100;
	return c > 67 ? -1 : c < 33 ? (int)c : c < 67 ? (int)c - 33 + 0x7f : 0xad;
}
