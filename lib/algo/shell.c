#include "algo/shell.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/near.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *shell_home(void)
{
	static char buf[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", buf, sizeof(buf) - 1);
	char *slash;

	buf[n < 0 ? 0 : n] = '\0';
	if ((slash = strrchr(buf, '/')))
		*slash = '\0';
	return buf;
}

static int is_tool(const struct dirent *e)
{
	return !strncmp(e->d_name, "llmc-", 5) && !strchr(e->d_name, '.');
}

int shell_tools(char ***out)
{
	struct dirent **e;
	int n = scandir(shell_home(), &e, is_tool, alphasort), k = 0;
	char **v = xcalloc((size_t)(n < 0 ? 0 : n) + 1, sizeof(*v));

	for (int i = 0; i < n; i++) {
		char *path = xasprintf("%s/%s", shell_home(), e[i]->d_name);

		if (!access(path, X_OK))
			v[k++] = xstrdup(e[i]->d_name + 5);
		free(path);
		free(e[i]);
	}
	if (n >= 0)
		free(e);
	*out = v;
	return k;
}

void shell_free(char **list)
{
	for (char **v = list; *v; v++)
		free(*v);
	free(list);
}

void shell_unknown(const char *what, const char *name, char *const *v)
{
	struct near near = { .word = name };

	if (!*v)
		die(ST_USAGE, "no %s '%s'", what, name);
	for (; *v; v++)
		near_try(&near, *v);
	die(ST_USAGE, "no %s '%s'; the nearest is '%s'", what, name, near.best);
}

NORETURN static void unknown(const char *name)
{
	char **v;

	shell_tools(&v);
	shell_unknown("tool", name, v);
}

void shell_run(char **argv)
{
	char *name = xasprintf("llmc-%s", argv[0]), *path = xasprintf("%s/%s", shell_home(), name), *word = argv[0];

	if (strchr(word, '/'))
		unknown(word);
	argv[0] = name;
	execv(path, argv);
	if (errno == ENOENT)
		execvp(name, argv);
	if (errno == ENOENT)
		unknown(word);
	die(ST_FAIL, "cannot run '%s': %s", name, strerror(errno));
}

void shell_help(const char *tool)
{
	static const char sections[] = "157";
	char *page = tool ? xasprintf("llmc-%s", tool) : xstrdup("llmc");

	if (tool && strchr(tool, '/'))
		unknown(tool);
	/* not installed: the pages of the source tree */
	for (const char *s = sections; *s; s++) {
		char *path = xasprintf("%s/../man/%s.%c", shell_home(), page, *s);

		if (!access(path, R_OK))
			execlp("man", "man", "-l", path, (char *)NULL);
		free(path);
	}
	execlp("man", "man", page, (char *)NULL);
	die(ST_FAIL, "cannot run 'man': %s", strerror(errno));
}

void shell_list(void)
{
	char **v;
	int n = shell_tools(&v);

	printf("usage: llmc " LLMC_USAGE "\n\ntools:\n");
	for (int i = 0; i < n; i++)
		printf("  %s\n", v[i]);
	shell_free(v);
}
