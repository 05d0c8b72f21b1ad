#include "algo/info.h"

#include "base/err.h"
#include "base/progress.h"
#include "base/table.h"
#include "bundle/bundle.h"
#include "data/tokens.h"

#include <stdio.h>
#include <string.h>

/* Numbers stored for some tensors. */
struct sum {
	double count, bits;
};
struct info {
	struct bundle_in *in;
	cJSON *blocks, *tensors, *members;      /* rows; tensors NULL when not wanted */
	cJSON *inputs;                          /* widths of what those linears read, each once */
	struct sum all, linear;                 /* everything; the weights that methods compress */
	double bytes;                           /* of all members that follow llmc.json */
};

static void add(struct sum *s, double count, double bits)
{
	s->count += count;
	s->bits += bits;
}

/* Bits per number; absent where there are none. */
static void put_ratio(cJSON *o, const char *key, const struct sum *s)
{
	if (s->count > 0)
		json_put_num(o, key, s->bits / s->count);
}

static double tensor_bits(const struct block *b, int i)
{
	const struct tensor *t = &b->t[i];

	if (b->q[i].spec.fmt != Q_NONE)
		return qrec_bits(&b->q[i], tensor_rows(t), tensor_cols(t));
	return 8 * (double)tensor_bytes(t);
}

/* How the numbers of a tensor are stored: "int4:g128:asym" or "BF16". */
static const char *stored(const struct block *b, int i, char *buf, size_t n)
{
	if (b->q[i].spec.fmt != Q_NONE)
		return spec_print(&b->q[i].spec, buf, n);
	snprintf(buf, n, "%s", dtype_name(b->t[i].dt));
	return buf;
}

static void tensor_row(struct info *f, const struct block *b, int i)
{
	cJSON *o = json_obj();
	struct sum s = { 0 };
	char buf[160];

	add(&s, (double)tensor_count(&b->t[i]), tensor_bits(b, i));
	block_put(b, o);
	json_put_str(o, "tensor", b->t[i].name);
	json_put_str(o, "shape", tensor_shape(&b->t[i], buf, sizeof(buf)));
	json_put_str(o, "stored", stored(b, i, buf, sizeof(buf)));
	if (b->q[i].spec.fmt != Q_NONE)
		json_put_str(o, "scales", dtype_name(b->q[i].scale_dt));
	json_put_num(o, "parameters", s.count);
	put_ratio(o, "bits", &s);
	json_push(f->tensors, o);
}

/* "int4:g128:asym" where all are the same, else "6 int4:g128:asym, 1 int8:channel:sym"; the linears of a layer,
 * all tensors of the ends. */
static void summary(const struct model *m, const struct block *b, char *buf, size_t n)
{
	enum { KINDS = 32 };
	char kind[KINDS][64], s[64], label[LABEL];
	int count[KINDS], kinds = 0;
	enum role r;
	enum part p;

	for (int i = 0; i < b->nt; i++) {
		int k = 0;

		if (b->kind == BLK_KIND_DENSE && (m->listed ? !block_linear(m, b, i, label) :
		                                  role_parse(b->t[i].name, &r, &p, NULL) < 0 || !role_linear(r) || p != P_WEIGHT))
			continue;
		stored(b, i, s, sizeof(s));
		while (k < kinds && strcmp(kind[k], s))
			k++;
		if (k == KINDS)
			continue;               /* too many to tell */
		if (k == kinds) {
			count[k] = 0;
			strcpy(kind[kinds++], s);
		}
		count[k]++;
	}
	*buf = '\0';
	for (int k = 0; k < kinds; k++) {
		size_t at = strlen(buf);

		if (kinds == 1)
			snprintf(buf, n, "%s", kind[k]);
		else
			snprintf(buf + at, n - at, "%s%d %s", k ? ", " : "", count[k], kind[k]);
	}
}

static void add_input(struct info *f, int64_t width)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, f->inputs)
		if (v->valuedouble == (double)width)
			return;
	json_push(f->inputs, cJSON_CreateNumber((double)width));
}

static int block_row(struct info *f, const struct member *m)
{
	struct sum all = { 0 }, linear = { 0 };
	struct block b;
	cJSON *o;
	char buf[4096];

	if (bundle_get_block(f->in, &b) < 0)
		return -1;
	for (int i = 0; i < b.nt; i++) {
		double n = (double)tensor_count(&b.t[i]), bits = tensor_bits(&b, i);
		char label[LABEL];

		add(&all, n, bits);
		if (block_linear(bundle_model(f->in), &b, i, label)) {
			add(&linear, n, bits);
			add_input(f, tensor_cols(&b.t[i]));
		}
		if (f->tensors)
			tensor_row(f, &b, i);
	}
	o = json_obj();
	block_put(&b, o);
	json_put_num(o, "tensors", b.nt);
	json_put_num(o, "parameters", all.count);
	json_put_num(o, "bytes", (double)m->size);
	put_ratio(o, "bits_per_weight", linear.count > 0 ? &linear : &all);
	summary(bundle_model(f->in), &b, buf, sizeof(buf));
	json_put_str(o, "stored", buf);
	json_push(f->blocks, o);
	add(&f->all, all.count, all.bits);
	add(&f->linear, linear.count, linear.bits);
	block_free(&b);
	return 0;
}

static int layers(const struct bundle_in *in)
{
	return bundle_model(in) ? bundle_model(in)->n_layer : 0;
}

static int read_all(struct info *f)
{
	struct member m;
	cJSON *o;
	int r;

	while ((r = bundle_next(f->in, &m)) > 0) {
		f->bytes += (double)m.size;
		if (m.kind == M_BLOCK) {
			progress_at(m.index + 1);
			if (block_row(f, &m) < 0)
				return -1;
			continue;
		}
		o = json_obj();
		json_put_str(o, "member", m.name);
		json_put_num(o, "bytes", (double)m.size);
		json_push(f->members, o);
	}
	return r;
}

/* One row: the knobs that a person looks for. */
static cJSON *summary_row(const struct info *f)
{
	const struct model *m = bundle_model(f->in);
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(bundle_manifest(f->in), "blocks");
	cJSON *o = json_obj();
	char digest[17];

	snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)bundle_digest(f->in));
	json_put_str(o, "kind", bundle_kind(f->in));
	if (m) {
		json_put_str(o, "family", m->family);
		json_put_num(o, "layers", m->n_layer);
		if (!m->listed) {
			json_put_num(o, "width", m->d_model);
			json_put_num(o, "heads", m->n_head);
			json_put_num(o, "kv_heads", m->n_kv);
			json_put_num(o, "head_width", m->d_head);
			json_put_num(o, "ffn_width", m->d_ff);
			json_put_num(o, "vocabulary", m->vocab);
			json_put_num(o, "context", m->ctx);
		}
		json_put_str(o, "dtype", dtype_name(m->dtype));
		json_put_bool(o, "tied", m->flags & MF_TIED);
		json_put_bool(o, "whole", !list);
		if (m->piece_experts)
			json_put_num(o, "piece_experts", m->piece_experts);
		json_put_num(o, "parameters", f->all.count);
	}
	json_put_num(o, "bytes", f->bytes);
	put_ratio(o, "bits_per_weight", &f->linear);
	put_ratio(o, "bits_per_parameter", &f->all);
	json_put_str(o, "xxh3", digest);
	return o;
}

static void print_text(struct info *f, cJSON *row)
{
	const struct model *m = bundle_model(f->in);
	cJSON *one = json_arr();
	char keys[256];

	snprintf(keys, sizeof(keys), "kind family layers width heads kv_heads head_width ffn_width vocabulary context dtype "
	         "tied whole parameters bytes bits_per_weight bits_per_parameter xxh3%s",
	         m && m->piece_experts ? " piece_experts" : "");
	json_push(one, row);
	table_print(m ? keys : "kind bytes xxh3", one);
	table_print("id tool version parent device argv inputs",
	            cJSON_GetObjectItemCaseSensitive(bundle_manifest(f->in), "pg"));
	if (f->members->child)
		table_print("member bytes", f->members);
	if (m)
		table_print("block tensors parameters bytes bits_per_weight stored", f->blocks);
	if (f->tensors)
		table_print("block tensor shape stored scales parameters bits", f->tensors);
	cJSON_Delete(one);
}

/* The row, then all there is to know. */
static void print_json(struct info *f, cJSON *row)
{
	static const char *const keys[] = { "ledger", "report" };

	json_put(row, "manifest", cJSON_Duplicate(bundle_manifest(f->in), 1));
	json_put(row, "members", f->members);
	json_put(row, "blocks", f->blocks);
	json_put(row, "inputs", f->inputs);
	if (f->tensors)
		json_put(row, "tensors", f->tensors);
	f->members = f->blocks = f->tensors = f->inputs = NULL;
	for (int i = 0; i < 2; i++) {
		const cJSON *v = cJSON_GetObjectItemCaseSensitive(bundle_end(f->in), keys[i]);

		if (v)
			json_put(row, keys[i], cJSON_Duplicate(v, 1));
	}
	json_print(row);
	cJSON_Delete(row);
}

int info_print(const char *path, bool tensors, bool json)
{
	struct info f = { .in = bundle_open(path) };
	int r;

	if (!f.in)
		return -1;
	f.blocks = json_arr();
	f.members = json_arr();
	f.inputs = json_arr();
	f.tensors = tensors && bundle_model(f.in) ? json_arr() : NULL;
	progress_begin("block", layers(f.in));
	r = read_all(&f);
	progress_end();
	if (r == 0)
		(json ? print_json : print_text)(&f, summary_row(&f));
	cJSON_Delete(f.blocks);
	cJSON_Delete(f.members);
	cJSON_Delete(f.tensors);
	cJSON_Delete(f.inputs);
	bundle_close(f.in);
	return r;
}

/* Numbers, every one of them; of what is quantized the reader has seen to it. */
static int finite(const struct block *b)
{
	char label[32];

	for (int i = 0; i < b->nt; i++) {
		const struct tensor *t = &b->t[i];
		int64_t at = b->q[i].spec.fmt == Q_NONE ? first_nonfinite(t->data, t->dt, (size_t)tensor_count(t)) : -1;

		if (at >= 0)
			return err_set(ST_BAD, "%s: tensor '%s' is not finite at element %lld", block_label(b, label), t->name,
			               (long long)at);
	}
	return 0;
}

static int check_block(struct bundle_in *in)
{
	struct block b;
	int r;

	if (bundle_get_block(in, &b) < 0)
		return -1;
	r = finite(&b) < 0 ? err_at("%s", bundle_name(in)) : 0;
	block_free(&b);
	return r;
}

static int check_tokens(struct bundle_in *in)
{
	struct tokens t = { 0 };
	struct arena mem = { 0 };
	void *buf;
	size_t len;
	int r = bundle_get_bytes(in, &mem, UINT64_MAX, &buf, &len);

	if (r == 0 && (r = tokens_parse(&t, buf, len)) < 0)
		err_at("%s: %s", bundle_name(in), TOKENS_MEMBER);
	tokens_free(&t);
	arena_free(&mem);
	return r;
}

int info_check(const char *path)
{
	struct bundle_in *in = bundle_open(path);
	bool tokens = in && !strcmp(bundle_kind(in), "tokens"), seen = false;
	struct member m;
	int r;

	if (!in)
		return -1;
	progress_begin("block", layers(in));
	while ((r = bundle_next(in, &m)) > 0) {
		bool ids = tokens && !strcmp(m.name, TOKENS_MEMBER);

		if (m.kind == M_BLOCK)
			progress_at(m.index + 1);
		seen |= ids;
		if ((m.kind == M_BLOCK && check_block(in) < 0) || (ids && check_tokens(in) < 0)) {
			r = -1;
			break;
		}
	}
	if (r == 0 && tokens && !seen)
		r = err_set(ST_BAD, "%s: no member '%s'", bundle_name(in), TOKENS_MEMBER);
	progress_end();
	bundle_close(in);
	return r;
}
