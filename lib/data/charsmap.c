/* A unit of the array:
 *
 *	31        30..10         9        8        7..0
 *	value?    offset         wide     leaf     label
 *
 * offset counts units, times 256 when `wide`.  Bit 31 marks a value: the other 31 bits are where the
 * replacement starts.  From a node at p, byte c leads to p ^ offset ^ c, whose label must be c. */
#include "data/charsmap.h"

#include "base/err.h"
#include "base/mem.h"
#include "data/chars.h"

#include <stdlib.h>
#include <string.h>

static uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t offset(uint32_t u)
{
	return (u >> 10) << ((u & 0x200) >> 6);
}

/* The place behind the byte c from the place `at`; false: no key goes on so. */
static bool go(const struct charsmap *m, uint32_t *at, unsigned char c, uint32_t *unit)
{
	uint32_t k = *at ^ c;

	if (k >= m->nunit || ((*unit = m->unit[k]) & 0x800000ff) != c)
		return false;
	*at = k ^ offset(*unit);
	return *at < m->nunit;
}

/* Whether there is no key that is c, or begins with c and another ASCII character. */
static bool is_plain(const struct charsmap *m, unsigned char c)
{
	uint32_t at, next, unit;

	if (c == '\r')
		return false;           /* one character with the line feed behind it */
	if (!m->nunit || !c)
		return true;
	at = offset(m->unit[0]);
	if (!go(m, &at, c, &unit))
		return true;
	if (unit >> 8 & 1)
		return false;
	for (unsigned char d = 1; d < 128; d++) {
		next = at;
		if (go(m, &next, d, &unit))
			return false;
	}
	return true;
}

size_t charsmap_plain(const struct charsmap *m, const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && !(s[i] & 0x80) && m->plain[(unsigned char)s[i]])
		i++;
	return i && i < n && s[i] & 0x80 ? i - 1 : i;
}

static void note_plain(struct charsmap *m)
{
	for (unsigned char c = 0; c < 128; c++)
		m->plain[c] = is_plain(m, c);
}

int charsmap_parse(struct charsmap *m, const void *blob, size_t len)
{
	const unsigned char *p = blob;
	uint32_t n;

	memset(m, 0, sizeof(*m));
	note_plain(m);
	if (!len)
		return 0;
	if (len < 4 || (n = le32(p)) > len - 4 || n % 4 || n == 0)
		return err_set(ST_BAD, "bad character map");
	m->nunit = n / 4;
	m->unit = xmalloc(m->nunit * sizeof(*m->unit));
	for (size_t i = 0; i < m->nunit; i++)
		m->unit[i] = le32(p + 4 + 4 * i);
	m->ntext = len - 4 - n;
	m->text = xmalloc(m->ntext + 1);
	memcpy(m->text, p + 4 + n, m->ntext);
	m->text[m->ntext] = '\0';
	if (utf8_valid(m->text, m->ntext) != m->ntext) {
		charsmap_free(m);
		return err_set(ST_BAD, "character map is not UTF-8");
	}
	note_plain(m);
	return 0;
}

size_t charsmap_find(const struct charsmap *m, const char *s, size_t n, int shortest, const char **to,
                     size_t *to_len)
{
	uint32_t at, u;
	size_t hit = 0;

	if (!m->nunit)
		return 0;
	at = offset(m->unit[0]);
	for (size_t i = 0; i < n && s[i]; i++) {
		if (!go(m, &at, (unsigned char)s[i], &u))
			break;
		if (u >> 8 & 1) {
			uint32_t v = m->unit[at] & 0x7fffffff;

			if (v > m->ntext || (m->text[v] & 0xc0) == 0x80)
				break;          /* outside, or inside a character */
			*to = m->text + v;
			hit = i + 1;
			if (shortest)
				break;
		}
	}
	if (hit)
		*to_len = strlen(*to);
	return hit;
}

void charsmap_free(struct charsmap *m)
{
	free(m->unit);
	free(m->text);
	memset(m, 0, sizeof(*m));
}

static int digit64(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

void *base64_decode(const char *s, size_t n, size_t *len)
{
	unsigned char *out = xmalloc(n / 4 * 3 + 3);
	uint32_t acc = 0;
	size_t k = 0;
	int bits = 0;

	while (n && s[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++) {
		int d = digit64((unsigned char)s[i]);

		if (d < 0) {
			free(out);
			err_set(ST_BAD, "bad base64");
			return NULL;
		}
		acc = acc << 6 | (uint32_t)d;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[k++] = (unsigned char)(acc >> bits);
		}
	}
	*len = k;
	return out;
}
