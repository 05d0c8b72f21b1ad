#include "bundle/tarscan.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/*   offset  bytes  a tar header
 *        0    100  name
 *      124     12  size: octal digits; or, the first byte being 0x80, a big-endian number
 *      148      8  sum of the block's bytes, these eight being spaces
 *      156      1  type: '0' or NUL a file; 'x' pax records and 'L' a long name, for the member that follows
 *      257      5  "ustar"
 *
 * A pax record is "LENGTH KEY=VALUE\n", LENGTH counting itself in decimal. */
enum { AT_SIZE = 124, AT_SUM = 148, AT_TYPE = 156, EXT_PAX = 1, EXT_NAME = 2 };

static bool octal(const char *p, int n, uint64_t *out)
{
	uint64_t v = 0;

	for (; n && *p == ' '; n--)
		p++;
	for (; n && *p >= '0' && *p <= '7'; n--)
		v = v << 3 | (uint64_t)(*p++ - '0');
	*out = v;
	return !n || *p == ' ' || !*p;
}

static bool number(const char *p, uint64_t *out)
{
	uint64_t v = 0;

	if ((unsigned char)*p != 0x80)
		return octal(p, 12, out);
	for (int i = 1; i < 4; i++)
		if (p[i])
			return false;
	for (int i = 4; i < 12; i++)
		v = v << 8 | (unsigned char)p[i];
	*out = v;
	return v <= INT64_MAX;
}

static bool sum_ok(const char *b)
{
	uint64_t want;
	unsigned sum = 8 * ' ';

	for (int i = 0; i < TAR_BLOCK; i++)
		if (i < AT_SUM || i >= AT_SUM + 8)
			sum += (unsigned char)b[i];
	return octal(b + AT_SUM, 8, &want) && want == sum;
}

static bool zeros(const char *p, size_t n)
{
	return !n || (!*p && !memcmp(p, p + 1, n - 1));
}

static int extension(struct tarscan *t, unsigned kind, uint64_t size)
{
	if (!size || size > TAR_MAX_EXT)
		return err_set(ST_BAD, "damaged tar: an extension ('%c') of %llu bytes", t->type, (unsigned long long)size);
	if (t->ext & kind)
		return err_set(ST_BAD, "damaged tar: two extensions ('%c') of one member", t->type);
	t->ext |= kind;
	free(t->text);
	t->text = xmalloc((size_t)size);
	t->len = 0;
	return 0;
}

/* A whole header is in t->block. */
static int header(struct tarscan *t)
{
	const char *b = t->block;
	uint64_t size;

	if (zeros(b, TAR_BLOCK)) {
		t->off = true;
		return t->ext ? err_set(ST_BAD, "damaged tar: an extension without its member") : 0;
	}
	if (!sum_ok(b) || !number(b + AT_SIZE, &size)) {
		t->off = true;
		return 0;
	}
	memcpy(t->name, b, 100);
	t->type = b[AT_TYPE];
	t->data = size;
	switch (t->type) {
	case 'x':
		if (extension(t, EXT_PAX, size) < 0)
			return -1;
		break;
	case 'L':
		if (extension(t, EXT_NAME, size) < 0)
			return -1;
		break;
	case '0': case '\0':
		if (t->sized)
			t->data = t->size;
		t->sized = false;
		t->ext = 0;
		break;
	default:                        /* links, directories, volumes, ... */
		return err_set(ST_BAD, "member '%s' is not a plain file", t->name);
	}
	t->pad = (unsigned)(-t->data & (TAR_BLOCK - 1));
	return 0;
}

/* A size in the records that came. */
static void records(struct tarscan *t)
{
	const char *p = t->text, *end = p + t->len;

	while (p < end) {
		const char *s = p;
		uint64_t n = 0, v = 0;

		for (; s < end && *s >= '0' && *s <= '9' && n < TAR_MAX_EXT; s++)
			n = n * 10 + (uint64_t)(*s - '0');
		if (s == end || *s != ' ' || n > (uint64_t)(end - p) || p + n <= s)
			return;
		if (p + n - s > 6 && !memcmp(s, " size=", 6)) {
			for (s += 6; s < p + n && *s >= '0' && *s <= '9' && v < INT64_MAX / 16; s++)
				v = v * 10 + (uint64_t)(*s - '0');
			t->size = v;
			t->sized = true;
		}
		p += n;
	}
}

static void data(struct tarscan *t, const char *p, size_t n)
{
	if (t->type == 'x' || t->type == 'L') {
		memcpy(t->text + t->len, p, n);
		t->len += n;
	}
	t->data -= n;
	if (!t->data && t->type == 'x')
		records(t);
}

int tarscan_bytes(struct tarscan *t, const void *buf, size_t n)
{
	const char *p = buf;
	int r = 0;

	while (n && !t->off && r == 0) {
		size_t k;

		if (t->data) {
			k = t->data < n ? (size_t)t->data : n;
			data(t, p, k);
		} else if (t->pad) {
			k = t->pad < n ? t->pad : n;
			t->pad -= (unsigned)k;
			if (!zeros(p, k))
				r = err_set(ST_BAD, "damaged tar: what fills up '%s' is not zeros", t->name);
		} else {
			k = TAR_BLOCK - t->have < n ? TAR_BLOCK - t->have : n;
			memcpy(t->block + t->have, p, k);
			t->have += k;
			if (t->have == TAR_BLOCK) {
				t->have = 0;
				r = header(t);
			}
		}
		p += k;
		n -= k;
	}
	return r;
}

void tarscan_free(struct tarscan *t)
{
	free(t->text);
	t->text = NULL;
}
