#include "run/filter.h"

#include "base/err.h"
#include "base/journal.h"
#include "base/mem.h"
#include "base/out.h"
#include "base/progress.h"
#include "bundle/ledger.h"
#include "bundle/members.h"
#include "bundle/pg.h"
#include "bundle/raw.h"
#include "data/tokens.h"
#include "op/meter.h"
#include "run/calib.h"
#include "run/memo.h"
#include "run/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One run, from the command line to the trailer. */
struct host {
	const struct filter *f;
	void *st;
	struct run run;
	struct tokens tokens;
	struct bundle_in *in;
	struct bundle_out *out;
	struct model model;             /* the outgoing one */
	struct ledger ledger;
	struct memo memo;
	char *stage;                    /* pg id, or the tool's name where there is none */
	bool embedded;                  /* the embedding has passed */
	int read;                       /* layers that came so far */
	bool redoing;                   /* an earlier run's steps come first */
};

static int check_operands(int argc, char **argv, int i)
{
	if (i < argc - 1)
		return err_set(ST_USAGE, "one bundle at a time: '%s' is too much", argv[i + 1]);
	if (common.calib && !strcmp(common.calib, "-") && (i == argc || !strcmp(argv[i], "-")))
		return err_set(ST_USAGE, "tokens and bundle cannot both come from standard input");
	return 0;
}

static int open_input(struct host *h, const char *path)
{
	h->in = bundle_open(path);
	if (!h->in)
		return -1;
	h->run.model = bundle_model(h->in);
	if (!h->run.model)
		return err_set(ST_BAD, "%s: holds %s, not a model", bundle_name(h->in), bundle_kind(h->in));
	return 0;
}

static int parse_rules(struct host *h)
{
	if (!(h->f->tool.groups & OPT_QSPEC))
		return 0;
	if (!common.weight && !common.rule.n)
		return err_set(ST_USAGE, "-w is needed: say what to quantize to");
	return rules_parse(&h->run.rules, common.weight, common.rule.v, common.rule.n, common.skip.v, common.skip.n);
}

/* A pattern that matches only what stays as it is, is told so. */
static int check_kept(struct host *h, const struct sequence *seq)
{
	const struct model *m = h->run.model;
	struct rules *rs = &h->run.rules;
	char label[64];

	for (int k = 0; k < rs->n; k++) {
		if (rs->r[k].hits)
			continue;
		for (int i = 0; i < seq->n; i++) {
			struct want w = WANT_FIRST;

			while (seq->index[i] >= 0 && seq->index[i] < m->n_layer && m->cross[seq->index[i]] &&
			       model_wants(m, seq->index[i], &w)) {
				rules_find(rs, seq->index[i], role_label(w.role, w.expert, label));
				if (rs->r[k].hits)
					return err_set(ST_USAGE, "'%s' matches what is not compressed: layer %d attends to images",
					               rs->r[k].pattern, seq->index[i]);
			}
		}
	}
	return 0;
}

/* A pattern that matches nothing is a mistake; what there is to match is known before any work. */
static int check_rules(struct host *h)
{
	const struct model *m = h->run.model;
	struct sequence seq;
	bool has[R_N] = { false };
	char name[R_N][LABEL];
	const char *role[R_N];
	int n = 0, r;

	if (!(h->f->tool.groups & OPT_QSPEC))
		return 0;
	r = sequence_init(&seq, bundle_manifest(h->in), m);
	for (int i = 0; r == 0 && i < seq.n; i++) {
		struct want w = WANT_FIRST;
		char label[LABEL];

		while (seq.index[i] >= 0 && seq.index[i] < m->n_layer && model_wants(m, seq.index[i], &w))
			if (model_linear(m, seq.index[i], w.role) && w.part == P_WEIGHT) {
				if (n < R_N && (w.listed || !has[w.role])) {    /* what there is, to name the nearest */
					role[n] = want_label(&w, name[n]);
					n++;
				}
				has[w.role] = true;
				rules_find(&h->run.rules, seq.index[i], want_label(&w, label));
			}
	}
	if (r == 0)
		r = check_kept(h, &seq);
	sequence_free(&seq);
	return r < 0 ? -1 : rules_check(&h->run.rules, role, n);
}

static int load_tokens(struct host *h)
{
	char hex[32];

	if (!common.calib)
		return 0;
	if (tokens_load(&h->tokens, common.calib) < 0 || tokens_limit(&h->tokens, common.samples, common.seqlen) < 0)
		return -1;
	snprintf(hex, sizeof(hex), "xxh3:%016llx", (unsigned long long)h->tokens.digest);
	json_put_str(h->run.inputs, "calib", hex);
	return 0;
}

static int set_up(struct host *h)
{
	struct run *r = &h->run;

	if (h->f->tool.groups & OPT_DEVICE) {
		r->dev = dev_open(common.device, common.dtype, (int)common.threads);
		if (!r->dev)
			return -1;
		dev_auto(r->dev, r->model->dtype);
	}
	if (!common.calib)
		return 0;
	if (!r->dev)
		return err_set(ST_FAIL, "calibration without a device");
	if (model_runs(r->model) < 0)
		return err_at("%s", bundle_name(h->in));
	if (tokens_check(&h->tokens, r->model->vocab) < 0)
		return err_at("%s", common.calib);
	r->calib = calib_new(r->dev, r->model, h->tokens.ids, h->tokens.N, (int)h->tokens.T);
	return 0;
}

/* What must be the same for a run to be resumed. */
static cJSON *key(const struct host *h)
{
	cJSON *k = journal_key();

	if (h->run.dev)
		key_device(k, h->run.dev);
	if (h->run.calib)
		key_digest(k, "tokens", h->tokens.digest);
	key_manifest(k, "model", bundle_manifest(h->in));
	return k;
}

/* The outgoing manifest: the incoming one, the model as begin() left it, this run in the chain. */
static int create(struct host *h)
{
	cJSON *man = cJSON_Duplicate(bundle_manifest(h->in), 1), *model, *pg;
	const char *id;

	if (!man)
		die(ST_FAIL, "out of memory for JSON");
	model = cJSON_GetObjectItemCaseSensitive(man, "model");
	model_json(&h->model, model);
	id = pg_append(man, h->run.inputs);
	h->run.inputs = NULL;
	h->stage = xstrdup(*id ? id : prog + (strncmp(prog, "llmc-", 5) ? 0 : 5));
	/* "auto" is another type on another machine */
	pg = cJSON_GetObjectItemCaseSensitive(man, "pg");
	if (*id && h->run.calib)
		json_put_str(cJSON_GetArrayItem(pg, cJSON_GetArraySize(pg) - 1), "dtype", dtype_name(h->run.dev->mm));
	h->redoing = common.resume;
	h->out = common.resume ? bundle_resume(common.output, man, key(h)) : bundle_create(common.output, man);
	if (!h->out)
		return -1;
	ledger_begin(&h->ledger, h->stage);
	memo_init(&h->memo, &h->ledger, h->run.report);
	return 0;
}

static int one_block(struct host *h, struct block *b)
{
	struct run *r = &h->run;

	if (b->kind == BLK_KIND_EMBED && r->calib && calib_embed(r->calib, b) < 0)
		return -1;
	if (h->f->block && h->f->block(h->st, r, b) < 0)
		return -1;
	ledger_block(&h->ledger, b);
	return bundle_put_block(h->out, b);
}

/* The states go through a block that is done. */
static int redo_states(struct host *h, struct block *done, const struct member *m)
{
	struct calib *c = h->run.calib;
	bool twin = m->blk == BLK_KIND_DENSE && calib_has_twin(c);
	struct block was;
	int r = 0;

	if ((m->blk == BLK_KIND_EMBED || twin) && bundle_get_block(h->in, &was) < 0)
		return -1;
	if (m->blk == BLK_KIND_EMBED)
		r = calib_embed(c, &was);
	else if (m->blk == BLK_KIND_DENSE)
		r = calib_redo(c, done, twin ? &was : NULL);
	if (m->blk == BLK_KIND_EMBED || twin)
		block_free(&was);
	return r;
}

/* A step of the run that was stopped, if there is one more: 1; 0: from here on work is done; -1: error set. */
static int redo(struct host *h, const struct member *m)
{
	bool states = m->kind == M_BLOCK && h->run.calib;
	struct block done;
	const cJSON *step;
	uint64_t sum;
	int r = bundle_redo(h->out, &step, states ? &done : NULL);

	if (r <= 0)
		return r;
	r = 0;
	if (states) {
		r = redo_states(h, &done, m);
		block_free(&done);
	}
	if (r == 0 && bundle_sum(h->in, &sum) < 0)
		return -1;
	if (r < 0 || memo_restore(&h->memo, step, sum) < 0)
		return err_at("%s: '%s'", bundle_name(h->in), m->name);
	return 1;
}

static int work_block(struct host *h)
{
	struct block b;
	char label[32];
	int r;

	if (bundle_get_block(h->in, &b) < 0)
		return -1;
	r = one_block(h, &b);
	if (r < 0)
		err_at("%s", block_label(&b, label));
	block_free(&b);
	return r;
}

static int fresh(struct host *h, const struct member *m)
{
	uint64_t sum;

	if ((m->kind == M_BLOCK ? work_block(h) : bundle_pass(h->out, h->in)) < 0)
		return -1;
	if (!common.resume)
		return 0;
	if (bundle_sum(h->in, &sum) < 0)
		return -1;
	bundle_step(h->out, memo_step(&h->memo, sum));
	return 0;
}

static int one_member(struct host *h, const struct member *m)
{
	int r = 0;

	if (m->kind == M_BLOCK) {
		/* of a bundle that holds a part of its model */
		bool layer = m->blk == BLK_KIND_DENSE && m->piece == 0;

		if (h->run.calib && layer && (!h->embedded || m->index != h->read))
			return err_set(ST_BAD, "%s: block %d comes without all that lies before it: calibration needs that",
			               bundle_name(h->in), m->index);
		h->embedded |= m->blk == BLK_KIND_EMBED;
		h->read += layer;
		progress_at(m->blk == BLK_KIND_HEAD ? h->run.model->n_layer : m->index < 0 ? 0 : m->index);
	}
	if (h->redoing && (r = redo(h, m)) == 0)
		h->redoing = false;
	return r == 0 ? fresh(h, m) : r < 0 ? -1 : 0;
}

static int finish(struct host *h)
{
	const cJSON *end = bundle_end(h->in);
	struct bundle_out *out = h->out;
	cJSON *ledger, *report;

	if (h->f->end && h->f->end(h->st, &h->run) < 0)
		return -1;
	ledger = ledger_end(&h->ledger, cJSON_GetObjectItemCaseSensitive(end, "ledger"));
	h->ledger.dropped = NULL;
	if (!ledger)
		return -1;
	report = bundle_report(h->in);
	if (h->run.report->child) {
		if (!report)
			report = json_obj();
		json_put(report, h->stage, h->run.report);
		h->run.report = NULL;
	}
	bundle_carry(out, end);
	h->out = NULL;
	return bundle_finish(out, ledger, report);
}

/* Operations of the whole run, as -n says. */
static double expected(struct host *h)
{
	struct plan p = { .f32 = 1, .mm = 1 };
	double sum = 0;

	if (!h->f->plan || !h->run.calib)
		return 0;
	h->f->plan(h->st, &h->run, &p);
	for (int i = 0; i < p.n; i++)
		sum += p.stage[i].flops;
	return sum;
}

static int work(struct host *h)
{
	struct member m;
	int r;

	progress_begin("block", h->run.model->n_layer);
	progress_expect(expected(h));
	while ((r = bundle_next(h->in, &m)) > 0)
		if (one_member(h, &m) < 0)
			return -1;
	progress_end();
	return r < 0 ? -1 : finish(h);
}

static int plan(struct host *h)
{
	struct plan p;

	if (plan_begin(&p, h->in) < 0)
		return -1;
	if (h->run.calib)
		plan_device(&p, h->run.dev);
	h->f->plan(h->st, &h->run, &p);
	plan_print(&p);
	return 0;
}

static int all(struct host *h, int argc, char **argv, int i)
{
	/* what is wrong with the command line or the tokens is said before anything is waited for */
	if (check_operands(argc, argv, i) < 0 || parse_rules(h) < 0 || load_tokens(h) < 0 ||
	    open_input(h, i < argc ? argv[i] : NULL) < 0 || check_rules(h) < 0 || set_up(h) < 0)
		return -1;
	h->model = *h->run.model;
	if (h->f->begin && h->f->begin(h->st, &h->run, &h->model) < 0)
		return -1;
	if (common.dry)
		return plan(h);
	if (create(h) < 0 || work(h) < 0)
		return -1;
	meter_report(h->run.dev);
	return 0;
}

static void clean_up(struct host *h)
{
	progress_end();
	if (h->out)
		bundle_abort(h->out);
	cJSON_Delete(h->ledger.dropped);
	memo_free(&h->memo);
	cJSON_Delete(h->run.report);
	cJSON_Delete(h->run.inputs);
	calib_free(h->run.calib);
	if (h->run.dev)
		dev_close(h->run.dev);
	rules_free(&h->run.rules);
	tokens_free(&h->tokens);
	if (h->in)
		bundle_close(h->in);
	free(h->stage);
	free(h->st);
}

int filter_main(const struct filter *f, int argc, char **argv)
{
	struct host h = { .f = f, .st = xcalloc(1, f->state) };
	int r, i;

	i = opt_parse(&f->tool, h.st, argc, argv);
	h.run.report = json_obj();
	h.run.inputs = json_obj();
	r = all(&h, argc, argv, i);
	clean_up(&h);
	if (r < 0)
		die_err();
	/* a filter may have printed, when its bundle went to a file */
	if (common.dry || (common.output && strcmp(common.output, "-")))
		stdout_close();
	return ST_OK;
}
