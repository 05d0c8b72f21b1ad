#include "data/tokens.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/out.h"
#include "bundle/bundle.h"
#include "bundle/pg.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

static uint64_t digest(const struct tokens *t)
{
	int64_t dim[2] = { t->N, t->T };
	XXH3_state_t *h = XXH3_createState();
	uint64_t d;

	if (!h)
		die(ST_FAIL, "out of memory");
	XXH3_64bits_reset(h);
	XXH3_64bits_update(h, dim, sizeof(dim));
	XXH3_64bits_update(h, t->ids, (size_t)(t->N * t->T) * sizeof(*t->ids));
	d = XXH3_64bits_digest(h);
	XXH3_freeState(h);
	return d;
}

int tokens_parse(struct tokens *t, const void *file, size_t len)
{
	const char *buf = file;
	struct st st;
	const struct tensor *x;
	struct st_entry *e;
	int rc = -1;

	if (len < 8)
		return err_set(ST_BAD, "too short for safetensors");
	if (!st_head_size(buf, len, len) || st_parse(&st, buf, len, TOKENS_MEMBER) < 0)
		return -1;
	e = st_find(&st, "input_ids");
	x = e ? &e->t : NULL;
	if (!x)
		err_set(ST_BAD, "no tensor 'input_ids'");
	else if (x->nd < 1 || x->nd > 2 || tensor_count(x) < 1)
		err_set(ST_BAD, "'input_ids' is not [rows, tokens]");
	else if (x->dt != DT_I32 && x->dt != DT_I64)
		err_set(ST_BAD, "'input_ids' is %s, not I32 or I64", dtype_name(x->dt));
	else {
		const char *p = buf + st.head + e->begin;
		int64_t n = tensor_count(x);

		t->N = x->nd == 2 ? x->dim[0] : 1;
		t->T = x->dim[x->nd - 1];
		t->ids = xmalloc((size_t)n * sizeof(*t->ids));
		rc = 0;
		for (int64_t i = 0; i < n && rc == 0; i++) {
			int64_t v;
			int32_t w;

			if (x->dt == DT_I64)
				memcpy(&v, p + 8 * i, 8);
			else {
				memcpy(&w, p + 4 * i, 4);
				v = w;
			}
			if (v < 0 || v > INT32_MAX)
				rc = err_set(ST_BAD, "row %lld, column %lld: %lld is no token id",
				             (long long)(i / t->T), (long long)(i % t->T), (long long)v);
			t->ids[i] = (int32_t)v;
		}
	}
	st_free(&st);
	return rc;
}

static int from_bundle(struct tokens *t, const char *path)
{
	struct bundle_in *in = bundle_open(path);
	struct arena mem = { 0 };
	struct member m;
	const cJSON *how;
	int rc;

	if (!in)
		return -1;
	if (strcmp(bundle_kind(in), "tokens")) {
		err_set(ST_BAD, "%s: holds %s, not tokens", bundle_name(in), bundle_kind(in));
		bundle_close(in);
		return -1;
	}
	while ((rc = bundle_next(in, &m)) > 0) {
		void *buf;
		size_t len;

		if (strcmp(m.name, TOKENS_MEMBER) || t->ids)
			continue;
		if ((rc = bundle_get_bytes(in, &mem, UINT64_MAX, &buf, &len)) < 0)
			break;
		if ((rc = tokens_parse(t, buf, len)) < 0) {
			err_at("%s: %s", bundle_name(in), TOKENS_MEMBER);
			break;
		}
		arena_free(&mem);
	}
	if (rc == 0 && !t->ids)
		rc = err_set(ST_BAD, "%s: no member '%s'", bundle_name(in), TOKENS_MEMBER);
	how = cJSON_GetObjectItemCaseSensitive(bundle_manifest(in), "tokens");
	if (rc == 0 && how)
		t->how = cJSON_Duplicate(how, 1);
	arena_free(&mem);
	bundle_close(in);
	return rc;
}

/* A safetensors file begins with the length of its header and the header's brace. */
static bool is_st(const char *path)
{
	unsigned char b[9];
	FILE *f = fopen(path, "rb");
	bool yes = f && fread(b, 1, 9, f) == 9 && b[8] == '{' && !b[6] && !b[7];

	if (f)
		fclose(f);
	return yes;
}

static int from_file(struct tokens *t, const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat sb;
	char *buf;
	int rc;

	if (!f || fstat(fileno(f), &sb) < 0) {
		err_set(ST_BAD, "cannot open '%s': %m", path);
		if (f)
			fclose(f);
		return -1;
	}
	buf = xmalloc((size_t)sb.st_size);
	rc = fread(buf, 1, (size_t)sb.st_size, f) == (size_t)sb.st_size ? 0 : err_set(ST_BAD, "cannot read it all");
	fclose(f);
	if (rc == 0)
		rc = tokens_parse(t, buf, (size_t)sb.st_size);
	free(buf);
	return rc < 0 ? err_at("%s", path) : 0;
}

int tokens_load(struct tokens *t, const char *path)
{
	int rc;

	memset(t, 0, sizeof(*t));
	rc = path && strcmp(path, "-") && is_st(path) ? from_file(t, path) : from_bundle(t, path);
	if (rc < 0)
		tokens_free(t);
	else
		t->digest = digest(t);
	return rc;
}

int tokens_limit(struct tokens *t, int64_t n, int64_t T)
{
	if (n > t->N)
		return err_set(ST_BAD, "%lld row%s wanted, there %s %lld", (long long)n, n == 1 ? "" : "s",
		               t->N == 1 ? "is" : "are", (long long)t->N);
	if (T > t->T)
		return err_set(ST_BAD, "rows of %lld tokens wanted, they are %lld long", (long long)T, (long long)t->T);
	if (n)
		t->N = n;
	if (T && T < t->T) {
		for (int64_t i = 1; i < t->N; i++)
			memmove(t->ids + i * T, t->ids + i * t->T, (size_t)T * sizeof(*t->ids));
		t->T = T;
	}
	t->digest = digest(t);
	return 0;
}

int tokens_check(const struct tokens *t, int64_t vocab)
{
	for (int64_t i = 0; i < t->N * t->T; i++)
		if (t->ids[i] < 0 || t->ids[i] >= vocab)
			return err_set(ST_BAD, "row %lld, column %lld: token %d, but the model's vocabulary has %lld",
			               (long long)(i / t->T), (long long)(i % t->T), t->ids[i], (long long)vocab);
	return 0;
}

static struct tensor as_tensor(const struct tokens *t)
{
	struct tensor x = tensor_view(t->ids, DT_I32, t->N, t->T);

	x.name = "input_ids";
	return x;
}

int tokens_save(const struct tokens *t, const char *path, cJSON *how)
{
	struct tensor x = as_tensor(t);
	cJSON *manifest = json_obj(), *report = json_obj(), *inputs = json_obj();
	struct bundle_out *out;
	const char *key[] = { "tokenizer", "source" }, *s;

	json_put_num(manifest, "llmc", BUNDLE_VERSION);
	json_put_str(manifest, "kind", "tokens");
	json_put(manifest, "requires", json_arr());
	for (int i = 0; i < 2; i++)
		if (json_str(how, key[i], &s) > 0)
			json_put_str(inputs, key[i], s);
	if (how)
		json_put(manifest, "tokens", how);
	pg_append(manifest, inputs);
	json_put_num(report, "rows", (double)t->N);
	json_put_num(report, "length", (double)t->T);
	out = bundle_create(path, manifest);
	if (!out) {
		cJSON_Delete(report);
		return -1;
	}
	if (bundle_put_tensors(out, TOKENS_MEMBER, &x, 1, NULL) < 0) {
		cJSON_Delete(report);
		bundle_abort(out);
		return -1;
	}
	return bundle_finish(out, NULL, report);
}

int tokens_save_st(const struct tokens *t, const char *path)
{
	struct tensor x = as_tensor(t);
	struct out *out = out_open(path, true);
	int order;
	size_t len;
	void *head = st_header(&x, 1, NULL, &order, &len);

	out_write(out, head, len);
	out_write(out, x.data, tensor_bytes(&x));
	free(head);
	out_commit(out);
	return 0;
}

void tokens_free(struct tokens *t)
{
	free(t->ids);
	cJSON_Delete(t->how);
	memset(t, 0, sizeof(*t));
}
