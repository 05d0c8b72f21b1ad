/* mkbytes WORD...: bytes to standard output, for the bats files that make files by hand.
 *	u8:N u16:N u32:N u64:N f32:X    little-endian; N may be negative or 0x...
 *	str:TEXT                        u64 length and the bytes, as GGUF has strings
 *	st:JSON                         u64 length and the bytes, padded with spaces to a multiple of 8
 *	zero:N                          N zero bytes
 *	pad:N                           zeros up to a multiple of N
 *	hex:00FF...                     those
 *	tar:NAME:SIZE:TYPE              a header of a tar; SIZE in octal digits
 *	any other word                  itself, up to what may be a colon */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t at;

static void put(const void *p, size_t n)
{
	at += n;
	if (fwrite(p, 1, n, stdout) != n)
		exit(5);
}

static void little(uint64_t v, int n)
{
	for (; n; n--, v >>= 8) {
		unsigned char b = (unsigned char)v;

		put(&b, 1);
	}
}

static void zeros(uint64_t n)
{
	static const char none[4096];

	for (; n > sizeof(none); n -= sizeof(none))
		put(none, sizeof(none));
	put(none, (size_t)n);
}

static void header(const char *name, const char *size, char type)
{
	char b[512] = "";
	unsigned sum = 0;

	snprintf(b, 101, "%s", name);
	snprintf(b + 124, 13, "%s", size);
	memset(b + 148, ' ', 8);
	b[156] = type;
	memcpy(b + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(b); i++)
		sum += (unsigned char)b[i];
	snprintf(b + 148, 8, "%06o", sum);
	put(b, sizeof(b));
}

static void word(const char *w)
{
	const char *v = strchr(w, ':');
	size_t k = v ? (size_t)(v++ - w) : 0, n = v ? strlen(v) : 0;

	if (k && *w == 'u' && strspn(w + 1, "0123456789") == k - 1)
		little(*v == '-' ? (uint64_t)strtoll(v, NULL, 0) : strtoull(v, NULL, 0), atoi(w + 1) / 8);
	else if (k == 3 && !strncmp(w, "f32", k)) {
		float f = strtof(v, NULL);
		uint32_t bits;

		memcpy(&bits, &f, sizeof(bits));
		little(bits, 4);
	} else if (k == 3 && !strncmp(w, "str", k)) {
		little(n, 8);
		put(v, n);
	} else if (k == 2 && !strncmp(w, "st", k)) {
		little((n + 7) / 8 * 8, 8);
		put(v, n);
		put("       ", -n & 7);
	} else if (k == 4 && !strncmp(w, "zero", k))
		zeros(strtoull(v, NULL, 0));
	else if (k == 3 && !strncmp(w, "pad", k))
		zeros(-at % strtoull(v, NULL, 0));
	else if (k == 3 && !strncmp(w, "hex", k)) {
		for (; *v && v[1]; v += 2)
			little(strtoul((char[]){ v[0], v[1], 0 }, NULL, 16), 1);
	} else if (k == 3 && !strncmp(w, "tar", k)) {
		char name[101], size[13], type;

		if (sscanf(v, "%100[^:]:%12[^:]:%c", name, size, &type) != 3)
			exit(2);
		header(name, size, type);
	} else
		put(w, strlen(w));
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		word(argv[i]);
	return fclose(stdout) ? 5 : 0;
}
