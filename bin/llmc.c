/* llmc: `llmc foo` is llmc-foo, `llmc help foo` its manual; recipes are found by it, and completion printed. */
#include "algo/completion.h"
#include "algo/recipe.h"
#include "algo/shell.h"
#include "base/err.h"
#include "base/opt.h"
#include "base/out.h"

#include <stdbool.h>
#include <string.h>

static const struct opt_tool tool = {
	.name = "llmc", .usage = LLMC_USAGE,
	.about = "run a tool, show its manual, find a recipe; alone, list the tools", .groups = OPT_TALK
};

/* What this program does itself; false: it is the name of a tool. */
static bool own(const char *verb, int argc, char **argv)
{
	bool recipe = !strcmp(verb, "recipe");

	if (!recipe && strcmp(verb, "completion"))
		return false;
	argv += opt_parse(&tool, NULL, argc, argv);
	if (*argv && argv[1])
		die(ST_USAGE, "one %s is wanted", recipe ? "recipe" : "shell");
	if (!recipe)
		completion_print(*argv);
	else if (*argv)
		recipe_find(*argv);
	else
		recipe_list();
	stdout_close();
	return true;
}

int main(int argc, char **argv)
{
	if (argc > 1 && argv[1][0] != '-') {
		prog = "llmc";
		if (!strcmp(argv[1], "help"))
			shell_help(argc > 2 ? argv[2] : NULL);
		if (own(argv[1], argc - 1, argv + 1))
			return ST_OK;
		shell_run(argv + 1);
	}
	opt_parse(&tool, NULL, argc, argv);
	shell_list();
	stdout_close();
	return ST_OK;
}
