#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

/* Unicode 15, table 3-7: the second byte's range depends on the first, the others are 80..BF. */
int utf8_seq(const char *str, size_t n)
{
	const unsigned char *s = (const unsigned char *)str;
	int want, lo = 0x80, hi = 0xbf, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return -1;
	want = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		lo = 0xa0;
	else if (s[0] == 0xed)
		hi = 0x9f;
	else if (s[0] == 0xf0)
		lo = 0x90;
	else if (s[0] == 0xf4)
		hi = 0x8f;
	for (i = 1; i < want; i++, lo = 0x80, hi = 0xbf)
		if ((size_t)i >= n || s[i] < lo || s[i] > hi)
			return -i;
	return want;
}

uint32_t utf8_get(const char *str, int *len)
{
	const unsigned char *s = (const unsigned char *)str;

	if (s[0] < 0x80) {
		*len = 1;
		return s[0];
	}
	if (s[0] < 0xe0) {
		*len = 2;
		return (uint32_t)(s[0] & 0x1f) << 6 | (s[1] & 0x3f);
	}
	if (s[0] < 0xf0) {
		*len = 3;
		return (uint32_t)(s[0] & 0x0f) << 12 | (uint32_t)(s[1] & 0x3f) << 6 | (s[2] & 0x3f);
	}
	*len = 4;
	return (uint32_t)(s[0] & 0x07) << 18 | (uint32_t)(s[1] & 0x3f) << 12 | (uint32_t)(s[2] & 0x3f) << 6 |
	       (s[3] & 0x3f);
}

int utf8_put(char *s, uint32_t cp)
{
	if (cp < 0x80) {
		s[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		s[0] = (char)(0xc0 | cp >> 6);
		s[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		s[0] = (char)(0xe0 | cp >> 12);
		s[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		s[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	s[0] = (char)(0xf0 | cp >> 18);
	s[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	s[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	s[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

size_t utf8_valid(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n) {
		uint64_t w;
		int k;

		if (n - i >= 8 && (memcpy(&w, s + i, 8), !(w & 0x8080808080808080u))) {
			i += 8;
			continue;
		}
		k = utf8_seq(s + i, n - i);
		if (k < 0)
			return i;
		i += (size_t)k;
	}
	return n;
}

size_t utf8_prev(const char *s, size_t at)
{
	do
		at--;
	while (at && (s[at] & 0xc0) == 0x80);
	return at;
}

void utf8_tame(char *s, size_t n)
{
	for (size_t i = 0; i < n; ) {
		int len = utf8_seq(s + i, n - i);
		bool c1 = len == 2 && (unsigned char)s[i] == 0xc2 && (unsigned char)s[i + 1] < 0xa0;

		if (len < 1 || c1 || (unsigned char)s[i] < 0x20 || s[i] == 0x7f) {
			len = len < 1 ? 1 : len;
			memset(s + i, '?', (size_t)len);
		}
		i += (size_t)len;
	}
}
