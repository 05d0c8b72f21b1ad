/* Where a tokenizer's files are: in a bundle, in a model directory, or one of them by itself. */
#include "data/tokint.h"

#include "base/err.h"
#include "base/mem.h"
#include "bundle/bundle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const names[] = {
	"tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "qwen.tiktoken",
	"vocab.json", "merges.txt", "vocab.txt", "added_tokens.json", "chat_template.jinja",
};
enum { NNAME = sizeof(names) / sizeof(*names) };

/* 1: read; 0: no such file; -1: error set. */
static int read_file(const char *path, struct bytes *out)
{
	FILE *f = fopen(path, "rb");
	size_t k;

	if (!f)
		return errno == ENOENT ? 0 : err_set(ST_BAD, "cannot open '%s': %m", path);
	out->n = 0;
	do {
		bytes_need(out, 1 << 16);
		k = fread(out->p + out->n, 1, 1 << 16, f);
		out->n += k;
	} while (k);
	if (ferror(f)) {
		fclose(f);
		return err_set(ST_BAD, "cannot read '%s': %m", path);
	}
	fclose(f);
	return 1;
}

static struct tok *from_dir(const char *dir)
{
	struct bytes buf[NNAME] = { { 0 } };
	struct tok_files f = { 0 };
	struct tok *t = NULL;
	int rc = 0;

	for (int i = 0; i < NNAME && rc >= 0; i++) {
		char *path = xasprintf("%s/%s", dir, names[i]);

		rc = read_file(path, &buf[i]);
		if (rc > 0)
			tok_files_set(&f, names[i], buf[i].p, buf[i].n);
		free(path);
	}
	if (rc >= 0)
		t = tok_load(&f);
	for (int i = 0; i < NNAME; i++)
		bytes_free(&buf[i]);
	return t;
}

/* The tokenizer's members come first; what follows them is read too, for the trailer says whether they are
 * what was written. */
static struct tok *from_bundle(const char *path)
{
	struct bundle_in *in = bundle_open(path);
	struct arena mem = { 0 };
	struct tok_files f = { 0 };
	struct tok *t = NULL;
	struct member m;
	int rc;

	if (!in)
		return NULL;
	while ((rc = bundle_next(in, &m)) > 0) {
		void *buf;
		size_t len;

		if (strncmp(m.name, "tokenizer/", 10) || m.kind != M_OPAQUE)
			continue;
		if (!tok_files_set(&f, m.name + 10, NULL, 0))
			continue;
		if ((rc = bundle_get_bytes(in, &mem, UINT64_MAX, &buf, &len)) < 0)
			break;
		tok_files_set(&f, m.name + 10, buf, len);
	}
	if (rc == 0)
		t = tok_load(&f);
	if (rc == 0 && !t)
		err_at("%s", bundle_name(in));
	arena_free(&mem);
	bundle_close(in);
	return t;
}

static bool ends(const char *s, const char *with)
{
	size_t n = strlen(s), k = strlen(with);

	return n >= k && !strcmp(s + n - k, with);
}

/* Without a telling name: JSON begins with a brace, a SentencePiece model with its first piece (field 1 of
 * type 2); anything else is a bundle, plain or compressed. */
static const char *kind_of(const char *path)
{
	unsigned char b[512];
	FILE *f = fopen(path, "rb");
	size_t n = f ? fread(b, 1, sizeof(b), f) : 0, i = 0;

	if (f)
		fclose(f);
	if (n == sizeof(b) && !memcmp(b + 257, "ustar", 5))
		return NULL;
	if (ends(path, ".json"))
		return "tokenizer.json";
	if (ends(path, ".model"))
		return "tokenizer.model";
	if (ends(path, ".tiktoken"))
		return ".tiktoken";
	if (ends(path, "vocab.txt"))
		return "vocab.txt";
	while (i < n && (b[i] == ' ' || (b[i] >= 9 && b[i] <= 13)))
		i++;
	if (i < n && b[i] == '{')
		return "tokenizer.json";
	return n && b[0] == 0x0a ? "tokenizer.model" : NULL;
}

struct tok *tok_open(const char *path)
{
	struct tok_files f = { 0 };
	struct bytes buf = { 0 };
	struct tok *t = NULL;
	struct stat sb;
	const char *kind;

	if (!strcmp(path, "-"))
		return from_bundle(path);
	if (stat(path, &sb) < 0) {
		err_set(ST_BAD, "cannot open '%s': %m", path);
		return NULL;
	}
	if (S_ISDIR(sb.st_mode))
		t = from_dir(path);
	else if (S_ISREG(sb.st_mode) && (kind = kind_of(path))) {
		if (read_file(path, &buf) > 0) {
			tok_files_set(&f, kind, buf.p, buf.n);
			t = tok_load(&f);
		}
		bytes_free(&buf);
	} else
		return from_bundle(path);
	if (!t)
		err_at("'%s'", path);
	return t;
}
