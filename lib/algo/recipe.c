#include "algo/recipe.h"

#include "algo/shell.h"
#include "base/err.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What others include: found by name, like them, and not in the list. */
#define RULES "rules.mk"

/* Installed, or of the source tree, whose other builds lie a level deeper; NULL: neither. */
static char *recipes(void)
{
	static const char *const place[] = { "../share/llmc/recipes", "../pipelines", "../../pipelines" };

	for (size_t i = 0; i < sizeof(place) / sizeof(*place); i++) {
		char *dir = xasprintf("%s/%s", shell_home(), place[i]), *rules = xasprintf("%s/" RULES, dir), *path = NULL;

		if (!access(rules, R_OK))
			path = realpath(dir, NULL);
		free(rules);
		free(dir);
		if (path)
			return path;
	}
	return NULL;
}

static int is_recipe(const struct dirent *e)
{
	const char *dot = strrchr(e->d_name, '.');

	return dot && dot != e->d_name && !strcmp(dot, ".mk") && strcmp(e->d_name, RULES);
}

int recipe_names(char ***out)
{
	struct dirent **e;
	char *dir = recipes(), **v;
	int n = dir ? scandir(dir, &e, is_recipe, alphasort) : 0;

	v = xcalloc((size_t)(n < 0 ? 0 : n) + 1, sizeof(*v));

	for (int i = 0; i < n; i++) {
		v[i] = xasprintf("%.*s", (int)strlen(e[i]->d_name) - 3, e[i]->d_name);
		free(e[i]);
	}
	if (dir && n >= 0)
		free(e);
	free(dir);
	*out = v;
	return n < 0 ? 0 : n;
}

/* A recipe's first line is a comment that says what it makes. */
static void print_about(const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s.mk", dir, name), line[256] = "";
	FILE *f = fopen(path, "r");

	if (!f || !fgets(line, sizeof(line), f))
		*line = '\0';
	line[strcspn(line, "\n")] = '\0';
	printf("%s\t%s\n", name, line + strspn(line, "# "));
	if (f)
		fclose(f);
	free(path);
}

void recipe_list(void)
{
	char *dir = recipes(), **v;
	int n = recipe_names(&v);

	if (!dir)
		die(ST_FAIL, "no recipes are installed beside '%s'", shell_home());
	printf("#recipe\tabout\n");
	for (int i = 0; i < n; i++)
		print_about(dir, v[i]);
	shell_free(v);
	free(dir);
}

void recipe_find(const char *name)
{
	char *dir = recipes(), *path = xasprintf("%s/%s.mk", dir ? dir : "", name), **v;

	if (!dir)
		die(ST_FAIL, "no recipes are installed beside '%s'", shell_home());
	if (strchr(name, '/') || access(path, R_OK)) {
		recipe_names(&v);
		shell_unknown("recipe", name, v);
	}
	/* as a makefile's include would, too */
	if (strpbrk(path, " \t"))
		die(ST_FAIL, "make cannot include '%s': there is a space in it", path);
	printf("%s\n", path);
	free(path);
	free(dir);
}
