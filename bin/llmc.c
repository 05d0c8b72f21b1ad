/* llmc: `llmc foo` is llmc-foo, `llmc help foo` its manual. */
#include "algo/shell.h"
#include "base/err.h"
#include "base/opt.h"
#include "base/out.h"

#include <stdio.h>
#include <string.h>

static const struct opt_tool tool = {
	.name = "llmc", .usage = "TOOL [options] [operands]\n       llmc help [TOOL]",
	.about = "run a tool, or show its manual; alone, list the tools", .groups = OPT_TALK
};

int main(int argc, char **argv)
{
	if (argc > 1 && argv[1][0] != '-') {
		prog = "llmc";
		if (!strcmp(argv[1], "help"))
			shell_help(argc > 2 ? argv[2] : NULL);
		shell_run(argv + 1);
	}
	opt_parse(&tool, NULL, argc, argv);
	shell_list();
	stdout_close();
	return ST_OK;
}
