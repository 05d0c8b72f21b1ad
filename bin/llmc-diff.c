/* llmc-diff: error per tensor between two bundles. */
#include "algo/diff.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/out.h"
#include "op/meter.h"

static const struct opt_tool tool = {
	.name = "llmc-diff", .usage = "[options] A B", .about = "error of B's tensors, measured against A's",
	.groups = OPT_TALK | OPT_JSON
};

int main(int argc, char **argv)
{
	int i = opt_parse(&tool, NULL, argc, argv), r;

	mem_frugal();
	if (argc - i != 2)
		die(ST_USAGE, "two bundles are wanted, one may be '-'");
	r = diff_run(argv[i], argv[i + 1], common.json);
	if (r < 0)
		die_err();
	meter_report(NULL);
	stdout_close();
	return r ? ST_NO : ST_OK;
}
