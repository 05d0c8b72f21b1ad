/* llmc: `llmc foo` is llmc-foo, `llmc help foo` its manual; recipes are found by it, and completion printed. */
#include "algo/completion.h"
#include "algo/recipe.h"
#include "algo/shell.h"
#include "base/err.h"
#include "base/opt.h"
#include "base/out.h"

#include <stdio.h>
#include <string.h>

static const struct opt_tool tool = {
	.name = "llmc", .usage = LLMC_USAGE,
	.about = "run a tool, show its manual, find a recipe; alone, list the tools", .groups = OPT_TALK
};

int main(int argc, char **argv)
{
	const char *word = argc > 2 ? argv[2] : NULL;

	if (argc > 1 && argv[1][0] != '-') {
		prog = "llmc";
		if (!strcmp(argv[1], "help"))
			shell_help(word);
		if (!strcmp(argv[1], "recipe"))
			word ? recipe_find(word) : recipe_list();
		else if (!strcmp(argv[1], "completion"))
			completion_print(word);
		else
			shell_run(argv + 1);
		stdout_close();
		return ST_OK;
	}
	opt_parse(&tool, NULL, argc, argv);
	shell_list();
	stdout_close();
	return ST_OK;
}
