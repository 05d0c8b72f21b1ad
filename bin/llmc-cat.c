/* llmc-cat: select blocks, join bundles. */
#include "algo/cat.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "op/meter.h"

static struct {
	const char *blocks;
} o;

static const struct opt own[] = {
	{ .name = "blocks", .letter = 'b', .type = O_STR, .off = offsetof(__typeof__(o), blocks), .arg = "LIST",
	  .flags = OPT_QUIET, .help = "keep these alone: layers, 'embed', 'head', such as embed,0-3,7" },
	{ .type = O_END }
};
static const struct opt_tool tool = {
	.name = "llmc-cat", .usage = "[options] [FILE...]", .about = "select blocks, join bundles",
	.groups = OPT_IO | OPT_TALK, .own = own
};

int main(int argc, char **argv)
{
	static const char *const std[] = { "-" };
	int i = opt_parse(&tool, &o, argc, argv);

	mem_frugal();
	if (cat_run(i < argc ? (const char *const *)argv + i : std, i < argc ? argc - i : 1, o.blocks, common.output) < 0)
		die_err();
	meter_report(NULL);
	return ST_OK;
}
