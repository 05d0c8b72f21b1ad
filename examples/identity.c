/* identity: a whole filter.  Reads a bundle, hands every tensor on as it is, writes a bundle. */
#include "base/err.h"
#include "base/opt.h"
#include "bundle/bundle.h"
#include "bundle/ledger.h"
#include "bundle/pg.h"

#include <stdlib.h>

static const struct opt_tool tool = {
	.name = "identity", .usage = "[options] [FILE]", .about = "pass a bundle through",
	.groups = OPT_IO | OPT_TALK
};

static int block(struct bundle_in *in, struct bundle_out *out, struct ledger *ledger)
{
	struct block b;
	char label[32];
	int r;

	if (bundle_get_block(in, &b) < 0)
		return -1;
	say(1, "%s: %d tensors", block_label(&b, label), b.nt);
	/* Here b.t[i] may be edited in place, with b.fate[i] = FATE_CHANGED. */
	ledger_block(ledger, &b);
	r = bundle_put_block(out, &b);
	block_free(&b);
	return r;
}

int main(int argc, char **argv)
{
	int i = opt_parse(&tool, NULL, argc, argv), r;
	struct bundle_in *in;
	struct bundle_out *out;
	struct ledger ledger;
	struct member m;
	cJSON *manifest, *books;
	const char *id;
	char *stage;

	if (argc - i > 1)
		die(ST_USAGE, "one bundle at a time");
	if (!(in = bundle_open(i < argc ? argv[i] : "-")))
		die_err();
	if (!bundle_model(in))
		die(ST_BAD, "%s: not a model", bundle_name(in));
	manifest = cJSON_Duplicate(bundle_manifest(in), 1);
	id = pg_append(manifest, NULL);
	stage = xstrdup(*id ? id : "identity");
	ledger_begin(&ledger, stage);
	if (!(out = bundle_create(common.output, manifest)))
		die_err();
	while ((r = bundle_next(in, &m)) > 0)
		if ((m.kind == M_BLOCK ? block(in, out, &ledger) : bundle_pass(out, in)) < 0)
			die_err();      /* no trailer: the stages after this one will know */
	if (r < 0)
		die_err();
	bundle_carry(out, bundle_end(in));
	books = ledger_end(&ledger, cJSON_GetObjectItemCaseSensitive(bundle_end(in), "ledger"));
	if (!books || bundle_finish(out, books, bundle_report(in)) < 0)
		die_err();
	bundle_close(in);
	free(stage);
	return ST_OK;
}
