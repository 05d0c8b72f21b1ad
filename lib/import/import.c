/* Import: every tensor of the source finds its role, or is named and refused; every role that the model has
 * finds its tensor.  Blocks leave in execution order, one in memory at a time. */
#include "import/import.h"

#include "base/aside.h"
#include "base/err.h"
#include "base/journal.h"
#include "base/opt.h"
#include "base/progress.h"
#include "base/tally.h"
#include "bundle/bundle.h"
#include "bundle/pg.h"
#include "model/family.h"
#include "op/meter.h"
#include "run/memo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

typedef int slots[R_N][P_N];            /* index in source.t, -1 = none */
struct import {
	struct source *s;
	struct model m;
	const struct family *f;
	slots *layer;                   /* [n_layer]; the ends of the model are in layer 0 */
	const char **why;               /* [nt]: reason of a tensor that is dropped */
	bool bare;                      /* the names lack the prefix that the family's have */
	int prefixed;                   /* tensors met whose name shows which; for refusing a mixture */
	struct bundle_out *out;
	struct ledger ledger;
	struct memo memo;
};

/* As family_role; -2: error set. */
static int find_role(struct import *im, const char *name, enum role *role, enum part *part, int *layer)
{
	size_t n = family_prefix(im->f);
	char full[600];
	bool bare;
	int r = family_role(im->f, name, role, part, layer);

	if (r > 0 && strncmp(name, im->f->names[R_EMBED], n))
		return r;                       /* "lm_head": the same in both */
	bare = r < 0;
	if (bare) {
		if (!n || strlen(name) > 512)
			return -1;
		snprintf(full, sizeof(full), "%.*s%s", (int)n, im->f->names[R_EMBED], name);
		r = family_role(im->f, full, role, part, layer);
	}
	if (r <= 0)
		return r;
	if (im->prefixed++ && bare != im->bare) {
		err_set(ST_BAD, "tensor '%s' is named with%s the prefix '%.*s', others are not", name,
		        bare ? "out" : "",
		        (int)n, im->f->names[R_EMBED]);
		return -2;
	}
	im->bare = bare;
	return r;
}

static int map_tensor(struct import *im, int i)
{
	const struct tensor *t = &im->s->t[i];
	enum role role;
	enum part part;
	int layer, *slot, r = find_role(im, t->name, &role, &part, &layer);

	if (r < -1)
		return -1;
	if (r < 0)
		return err_set(ST_BAD, "unknown tensor '%s': family '%s' has no role for it", t->name, im->f->name);
	if (r == 0) {
		im->why[i] = "a buffer that the configuration says already";
		return 0;
	}
	if (layer >= im->m.n_layer)
		return err_set(ST_BAD, "unknown tensor '%s': the configuration has %d layers", t->name, im->m.n_layer);
	if (t->dt != DT_F32 && t->dt != DT_F16 && t->dt != DT_BF16)
		return err_set(ST_UNSUP, "tensor '%s' is %s; F32, F16 and BF16 are read", t->name, dtype_name(t->dt));
	slot = &im->layer[layer][role][part];
	if (*slot >= 0)
		return err_set(ST_BAD, "tensor '%s' comes twice", t->name);
	*slot = i;
	return 0;
}

/* The head that is there is the head: a configuration that says "tied" then speaks of how training went. */
static void settle_head(struct import *im)
{
	if (im->layer[0][R_HEAD][P_WEIGHT] >= 0 && im->m.flags & MF_TIED) {
		im->m.flags &= ~(unsigned)MF_TIED;
		say(1, "the configuration ties the head to the embedding, and the checkpoint has a head of its own: kept");
	}
}

static int check_slot(struct import *im, enum role role, enum part part, int layer)
{
	int i = im->layer[layer][role][part], nd;
	int64_t dim[MAXDIM];
	bool has = role_shape(&im->m, role, part, &nd, dim);
	struct tensor want = { .nd = nd };
	char name[256], a[96], b[96];

	if (!has && i < 0)
		return 0;
	if (!has)
		return err_set(ST_BAD, "unknown tensor '%s': the configuration says that the model has none",
		               im->s->t[i].name);
	if (i < 0)
		return err_set(ST_BAD, "tensor '%s' is missing",
		               family_tensor(im->f, role, part, layer, im->bare, name, sizeof(name)));
	memcpy(want.dim, dim, sizeof(*dim) * (size_t)nd);
	if (!tensor_same_shape(&want, &im->s->t[i]))
		return err_set(ST_BAD, "tensor '%s' is %s, the configuration makes it %s", im->s->t[i].name,
		               tensor_shape(&im->s->t[i], a, sizeof(a)), tensor_shape(&want, b, sizeof(b)));
	return 0;
}

static int resolve(struct import *im)
{
	const cJSON *q = cJSON_GetObjectItemCaseSensitive(im->s->config, "quantization_config");
	const char *how = "?";

	im->f = family_resolve(&im->m, im->s->config);
	if (!im->f)
		return -1;
	if (q && !cJSON_IsNull(q)) {
		if (json_str(q, "quant_method", &how) < 0)
			return -1;
		return err_set(ST_UNSUP, "the checkpoint is quantized already ('%.40s'): import takes float weights",
		               how);
	}
	im->layer = xmalloc((size_t)im->m.n_layer * sizeof(*im->layer));
	memset(im->layer, 0xff, (size_t)im->m.n_layer * sizeof(*im->layer));
	im->why = xcalloc((size_t)im->s->nt + 1, sizeof(*im->why));
	for (int i = 0; i < im->s->nt; i++)
		if (map_tensor(im, i) < 0)
			return -1;
	settle_head(im);
	for (int l = 0; l < im->m.n_layer; l++)
		for (int r = 0; r < R_N; r++)
			for (int p = 0; p < P_N; p++)
				if ((l == 0 || role_home((enum role)r) == BLK_KIND_DENSE) &&
				    check_slot(im, (enum role)r, (enum part)p, l) < 0)
					return -1;
	/* what lies there, whatever the configuration calls it */
	for (int r = 0; r < R_N; r++)
		if (role_linear((enum role)r) && role_home((enum role)r) == BLK_KIND_DENSE &&
		    im->layer[0][r][P_WEIGHT] >= 0) {
			im->m.dtype = im->s->t[im->layer[0][r][P_WEIGHT]].dt;
			break;
		}
	return 0;
}

static int load(struct import *im, struct block *b, int k, int i, enum role role, enum part part)
{
	struct tensor *t = &b->t[k];
	int64_t bad;

	*t = im->s->t[i];
	t->name = arena_printf(&b->mem, "%s.%s", role_name(role), part_name(part));
	t->data = arena_alloc(&b->mem, tensor_bytes(t));
	if (im->s->read(im->s, i, t->data) < 0)
		return err_at("tensor '%s'", im->s->t[i].name);
	bad = first_nonfinite(t->data, t->dt, (size_t)tensor_count(t));
	if (bad >= 0)
		return err_set(ST_BAD, "tensor '%s' is not finite at element %lld", im->s->t[i].name, (long long)bad);
	return 0;
}

/* The next step of the output, when a run that was stopped has done it: 1. */
static int redone(struct import *im, uint64_t sum)
{
	const cJSON *step;
	int r = bundle_redo(im->out, &step, NULL);

	return r > 0 && memo_restore(&im->memo, step, sum) < 0 ? -1 : r;
}

static int put_file(struct import *im, const struct source_file *f)
{
	uint64_t sum = XXH3_64bits(f->data, f->len);
	int r = redone(im, sum);

	if (r)
		return r < 0 ? err_at("'%s'", f->name) : 0;
	if (bundle_put(im->out, f->name, f->data, f->len) < 0)
		return -1;
	bundle_step(im->out, memo_step(&im->memo, sum));
	return 0;
}

/* A block on its way from the source. */
struct coming {
	struct import *im;
	enum blk_kind kind;
	int index;
	struct block b;
};

static int load_block(void *arg)
{
	struct coming *c = arg;
	struct import *im = c->im;
	slots *s = &im->layer[c->kind == BLK_KIND_DENSE ? c->index : 0];
	int n = 0, r = 0;

	for (int i = 0; i < R_N; i++)
		for (int p = 0; p < P_N; p++)
			n += role_home((enum role)i) == c->kind && (*s)[i][p] >= 0;
	block_init(&c->b, c->index, c->kind, n);
	n = 0;
	for (int i = 0; i < R_N && r == 0; i++)
		for (int p = 0; p < P_N && r == 0; p++)
			if (role_home((enum role)i) == c->kind && (*s)[i][p] >= 0)
				r = load(im, &c->b, n++, (*s)[i][p], (enum role)i, (enum part)p);
	if (r < 0)
		block_free(&c->b);
	return r;
}

/* The i-th in the order of execution. */
static struct coming *nth(struct import *im, int i, struct coming *c)
{
	int L = im->m.n_layer;

	*c = (struct coming){ .im = im, .kind = i == 0 ? BLK_KIND_EMBED : i <= L ? BLK_KIND_DENSE : BLK_KIND_HEAD,
	                      .index = i == 0 ? BLK_EMBED : i <= L ? i - 1 : BLK_HEAD };
	return c;
}

static int put_block(struct import *im, struct block *b)
{
	ledger_block(&im->ledger, b);
	if (bundle_put_block(im->out, b) < 0)
		return -1;
	bundle_step(im->out, memo_step(&im->memo, 0));  /* the key of the run stands for the weights files */
	return 0;
}

/* While one block is written, the next is read. */
static int put_blocks(struct import *im)
{
	int n = im->m.n_layer + 2, i = 0, r;
	struct aside reader = { 0 };
	struct coming c[2];

	while ((r = i < n ? redone(im, 0) : 0) > 0)
		i++;
	if (r == 0 && i < n)
		aside_start(&reader, load_block, nth(im, i, &c[i % 2]));
	for (; r == 0 && i < n; i++) {
		progress_at(i ? i - 1 : 0);
		tally_enter(&tally_read);
		r = aside_wait(&reader);
		tally_leave(&tally_read, 0);
		if (r < 0)
			break;
		if (i + 1 < n)
			aside_start(&reader, load_block, nth(im, i + 1, &c[(i + 1) % 2]));
		r = put_block(im, &c[i % 2].b);
		block_free(&c[i % 2].b);
	}
	if (r < 0 && reader.begun) {
		aside_drop(&reader);
		if (reader.r == 0)
			block_free(&c[i % 2].b);
	}
	return r;
}

static int put_all(struct import *im)
{
	const struct source *s = im->s;

	for (int i = 0; i < s->nfile; i++)
		if (put_file(im, &s->file[i]) < 0)
			return -1;
	progress_begin("block", im->m.n_layer);
	if (put_blocks(im) < 0)
		return -1;
	progress_end();
	return 0;
}

static cJSON *manifest(const struct import *im, const char **stage)
{
	cJSON *man = json_obj(), *model = json_obj(), *in = json_obj();
	char hex[32];

	json_put_str(man, "kind", "model");
	json_put(man, "requires", json_arr());
	model_json(&im->m, model);
	json_put(man, "model", model);
	if (im->bare) {
		cJSON *names = json_obj();

		json_put_bool(names, "bare", true);
		json_put(man, "names", names);
	}
	snprintf(hex, sizeof(hex), "xxh3:%016llx", (unsigned long long)im->s->digest);
	json_put_str(in, "source", hex);
	*stage = pg_append(man, in);
	return man;
}

static struct bundle_out *create(const struct import *im, const char *path, cJSON *man)
{
	cJSON *key;

	if (!common.resume)
		return bundle_create(path, man);
	key = journal_key();
	key_digest(key, "source", XXH3_64bits_withSeed(&im->s->digest, sizeof(im->s->digest), im->s->stamp));
	return bundle_resume(path, man, key);
}

static int write_bundle(struct import *im, const char *path)
{
	const struct source *s = im->s;
	const char *id;
	cJSON *man = manifest(im, &id), *books, *none = json_obj();
	char *stage = xstrdup(*id ? id : "import");
	int r = -1;

	im->out = create(im, path, man);
	if (im->out) {
		ledger_begin(&im->ledger, stage);
		for (int i = 0; i < s->nt; i++)
			if (im->why[i])
				ledger_drop(&im->ledger, s->t[i].name, im->why[i]);
		memo_init(&im->memo, &im->ledger, none);
		r = put_all(im);
		memo_free(&im->memo);
		books = ledger_end(&im->ledger, NULL);
		if (r < 0 || !books) {
			cJSON_Delete(books);
			bundle_abort(im->out);
			r = -1;
		} else
			r = bundle_finish(im->out, books, NULL);
	}
	cJSON_Delete(none);
	free(stage);
	return r;
}

int import_run(const char *path, const char *out, enum dtype dtype)
{
	struct import im = { .s = source_open(path, dtype) };
	int r;

	if (!im.s)
		return -1;
	r = resolve(&im) < 0 ? -1 : write_bundle(&im, out);
	if (r == 0)
		meter_report(NULL);
	free(im.layer);
	free(im.why);
	source_close(im.s);
	return r;
}

void import_list(void)
{
	printf("#family\tarchitecture\n");
	for (const struct family *const *f = family_list(); *f; f++)
		for (int k = 0; k < 4 && (*f)->match[k]; k++)
			printf("%s\t%s\n", (*f)->name, (*f)->match[k]);
}
