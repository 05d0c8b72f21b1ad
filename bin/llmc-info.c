/* llmc-info: what is in a bundle; whether it is whole. */
#include "algo/info.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/out.h"
#include "op/meter.h"

static struct {
	bool check, tensors;
} o;

static const struct opt own[] = {
	{ .name = "check", .letter = 'c', .type = O_FLAG, .off = offsetof(__typeof__(o), check), .flags = OPT_QUIET,
	  .help = "print nothing: status 0 when every bundle is whole, 1 when one is not" },
	{ .name = "tensors", .letter = 'l', .type = O_FLAG, .off = offsetof(__typeof__(o), tensors), .flags = OPT_QUIET,
	  .help = "list every tensor too" },
	{ .type = O_END }
};
static const struct opt_tool tool = {
	.name = "llmc-info", .usage = "[options] [FILE...]", .about = "show or verify bundles",
	.groups = OPT_TALK | OPT_JSON, .own = own
};

/* Not whole is an answer, not an error; a file that cannot be opened or a bundle of a later version is. */
static int check(const char *path)
{
	if (!info_check(path))
		return ST_OK;
	if (err_status() != ST_BAD || err_unread())
		die_err();
	warn("%s", err_msg());
	return ST_NO;
}

int main(int argc, char **argv)
{
	int i = opt_parse(&tool, &o, argc, argv), answer = ST_OK;

	mem_frugal();
	if (argc - i > 1 && !o.check)
		die(ST_USAGE, "one bundle at a time, but with -c");
	do {
		const char *path = i < argc ? argv[i] : "-";

		if (o.check)
			answer |= check(path);
		else if (info_print(path, o.tensors, common.json) < 0)
			die_err();
	} while (++i < argc);
	meter_report(NULL);
	stdout_close();
	return answer;
}
