#include "algo/cat.h"

#include "algo/parts.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"

#include <stdlib.h>
#include <string.h>

struct cat {
	struct bundle_in **in;          /* [n] */
	int n, n_layer;
	bool *have, *keep;              /* [n_layer + 2]: embed, layers, head */
	struct bundle_out *out;
	cJSON *lead;                    /* members before the blocks: name -> digest */
	cJSON *ledger, *report;
};

static int open_all(struct cat *c, const char *const *path)
{
	int std = 0;

	for (int i = 0; i < c->n; i++)
		std += !strcmp(path[i], "-");
	if (std > 1)
		return err_set(ST_USAGE, "standard input can be read once");
	for (int i = 0; i < c->n; i++) {
		if (!(c->in[i] = bundle_open(path[i])))
			return -1;
		if (c->n > 1 && !bundle_model(c->in[i]))
			return err_set(ST_BAD, "%s: holds %s: only models are joined", bundle_name(c->in[i]),
			               bundle_kind(c->in[i]));
	}
	return 0;
}

static char *manifest_text(const struct bundle_in *in)
{
	cJSON *m = cJSON_Duplicate(bundle_manifest(in), 1);
	char *s;

	cJSON_DeleteItemFromObjectCaseSensitive(m, "blocks");
	s = json_text(m, false);
	cJSON_Delete(m);
	return s;
}

/* The parts are of one model with one history, and their blocks follow each other. */
static int check_parts(struct cat *c)
{
	char *first = manifest_text(c->in[0]);
	int last = -1, r = 0;

	for (int i = 0; i < c->n && r == 0; i++) {
		char *other = manifest_text(c->in[i]);
		struct sequence s = { 0 };

		if (strcmp(first, other))
			r = err_set(ST_BAD, "'%s' and '%s' are not parts of one model with one history", bundle_name(c->in[0]),
			            bundle_name(c->in[i]));
		else
			r = sequence_init(&s, bundle_manifest(c->in[i]), bundle_model(c->in[i]));
		free(other);
		for (int k = 0; r == 0 && k < s.n; k++) {
			int slot = parts_slot(s.index[k], c->n_layer);

			if (slot <= last)
				r = err_set(ST_BAD, "the blocks of '%s' do not follow those before", bundle_name(c->in[i]));
			c->have[last = slot] = true;
		}
		sequence_free(&s);
	}
	free(first);
	return r;
}

static int choose(struct cat *c, const char *list)
{
	int some = 0;

	if (!list) {
		memcpy(c->keep, c->have, (size_t)(c->n_layer + 2) * sizeof(*c->keep));
		return 0;
	}
	if (parts_parse(list, c->n_layer, c->keep) < 0)
		return -1;
	for (int i = 0; i < c->n_layer + 2; i++) {
		if (c->keep[i] && !c->have[i])
			return err_set(ST_USAGE, "'%s' names a block that is not there", list);
		some |= c->keep[i];
	}
	return some ? 0 : err_set(ST_USAGE, "'%s' keeps nothing", list);
}

static const char *digest_of(const struct bundle_in *in, const char *name)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(bundle_end(in), "members"), *m;
	const char *s, *d;

	cJSON_ArrayForEach(m, list)
		if (json_str(m, "name", &s) > 0 && json_str(m, "xxh3", &d) > 0 && !strcmp(s, name))
			return d;
	return "";
}

/* After a part is verified: its leading members are those that were taken from the parts before. */
static int check_lead(struct cat *c, struct bundle_in *in, const cJSON *lead)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, lead) {
		const cJSON *was = cJSON_GetObjectItemCaseSensitive(c->lead, v->string);
		const char *d = digest_of(in, v->string);

		if (!was)
			json_put_str(c->lead, v->string, d);
		else if (strcmp(was->valuestring, d))
			return err_set(ST_BAD, "%s: '%s' differs from that of the parts before", bundle_name(in), v->string);
	}
	return 0;
}

static int copy_part(struct cat *c, struct bundle_in *in)
{
	cJSON *lead = json_obj();
	bool leading = true, keep = true;
	struct member m;
	int r;

	while ((r = bundle_next(in, &m)) > 0) {
		if (m.kind == M_BLOCK) {
			progress_at(m.index + 1);
			leading = false;
			keep = c->keep[parts_slot(m.index, c->n_layer)];
		} else if (leading) {
			json_put_bool(lead, m.name, true);
			keep = !cJSON_GetObjectItemCaseSensitive(c->lead, m.name);
		}
		if (keep && (r = bundle_pass(c->out, in)) < 0)
			break;
	}
	if (r == 0)
		r = check_lead(c, in, lead);
	cJSON_Delete(lead);
	return r;
}

static int books(struct cat *c, struct bundle_in *in)
{
	const cJSON *ledger = cJSON_GetObjectItemCaseSensitive(bundle_end(in), "ledger");
	cJSON *report = bundle_report(in);

	if (!ledger != !c->ledger && in != c->in[0]) {
		cJSON_Delete(report);
		return err_set(ST_BAD, "%s: a ledger is missing", bundle_name(in));
	}
	bundle_carry(c->out, bundle_end(in));
	report_join(&c->report, report);
	cJSON_Delete(report);
	return ledger && ledger_join(&c->ledger, ledger) < 0 ? err_at("%s", bundle_name(in)) : 0;
}

/* Tensors in the blocks that are kept. */
static int64_t count(const struct cat *c)
{
	const struct model *m = bundle_model(c->in[0]);
	int64_t n = 0;

	for (int i = 0; i < c->n_layer + 2; i++) {
		struct want w = WANT_FIRST;

		while (c->keep[i] && model_wants(m, i == 0 ? BLK_EMBED : i == c->n_layer + 1 ? BLK_HEAD : i - 1, &w))
			n++;
	}
	return n;
}

static int plan(struct cat *c, const char *list, cJSON *manifest)
{
	const struct model *m = bundle_model(c->in[0]);

	if (!m)
		return list ? err_set(ST_BAD, "%s: holds %s, which has no blocks", bundle_name(c->in[0]),
		                      bundle_kind(c->in[0])) : 0;
	c->n_layer = m->n_layer;
	c->have = xcalloc((size_t)c->n_layer + 2, sizeof(*c->have));
	c->keep = xcalloc((size_t)c->n_layer + 2, sizeof(*c->keep));
	if (check_parts(c) < 0 || choose(c, list) < 0)
		return -1;
	parts_manifest(manifest, c->n_layer, c->keep);
	return 0;
}

static int all(struct cat *c, const char *const *path, const char *list, const char *out)
{
	struct bundle_out *o;
	cJSON *manifest;

	if (open_all(c, path) < 0)
		return -1;
	manifest = cJSON_Duplicate(bundle_manifest(c->in[0]), 1);
	if (plan(c, list, manifest) < 0) {
		cJSON_Delete(manifest);
		return -1;
	}
	if (!(c->out = bundle_create(out, manifest)))
		return -1;
	progress_begin("block", c->n_layer);
	for (int i = 0; i < c->n; i++)
		if (copy_part(c, c->in[i]) < 0 || books(c, c->in[i]) < 0)
			return -1;
	progress_end();
	if (c->ledger && c->keep)
		ledger_cut(c->ledger, count(c));
	o = c->out;
	c->out = NULL;
	return bundle_finish(o, c->ledger, c->report);
}

int cat_run(const char *const *path, int n, const char *list, const char *out)
{
	struct cat c = { .n = n, .in = xcalloc((size_t)n, sizeof(*c.in)), .lead = json_obj() };
	int r = all(&c, path, list, out);

	if (c.out) {
		bundle_abort(c.out);
		cJSON_Delete(c.ledger);
		cJSON_Delete(c.report);
	}
	for (int i = 0; i < n; i++)
		if (c.in[i])
			bundle_close(c.in[i]);
	cJSON_Delete(c.lead);
	free(c.have);
	free(c.keep);
	free(c.in);
	return r;
}
