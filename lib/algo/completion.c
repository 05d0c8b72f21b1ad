#include "algo/completion.h"

#include "algo/recipe.h"
#include "algo/shell.h"
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A row of a table, see opt_verb() in base/opt.h; `operand` rows are this file's own: a word that an operand may be. */
struct row {
	const char *kind, *name, *letter, *about, *words;
};
/* What is completed after a command: "gptq", "eval ppl", "llmc" itself. */
struct command {
	const char *name, *about;
	struct row *row;
	size_t n, cap;
};
static struct command *command;
static size_t commands, cap_commands;
static struct arena mem;

/* Returns its index: the array moves. */
static size_t add_command(const char *name)
{
	command = xgrow(command, commands + 1, &cap_commands, sizeof(*command));
	command[commands] = (struct command){ .name = arena_strdup(&mem, name), .about = "" };
	return commands++;
}

/* Fit to stand in a script as it is, but for the characters in `more`. */
static bool plain(const char *s, const char *more)
{
	for (; *s; s++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+,", *s) && !strchr(more, *s))
			return false;
	return true;
}

/* Words are parted by '|'.  Help texts may be anything; a row that has something odd elsewhere is left out. */
static void add_row(size_t to, const char *kind, const char *name, const char *letter, const char *about,
                    const char *words)
{
	struct command *c = &command[to];

	if (!plain(kind, "") || !plain(name, "") || !plain(letter, "") || !plain(words, "|"))
		return;
	c->row = xgrow(c->row, c->n + 1, &c->cap, sizeof(*c->row));
	c->row[c->n++] = (struct row){ arena_strdup(&mem, kind), arena_strdup(&mem, name), arena_strdup(&mem, letter),
	                               arena_strdup(&mem, about), arena_strdup(&mem, words) };
}

static void read_row(size_t to, char *line)
{
	const char *field[5] = { 0 };
	int n = 0;

	line[strcspn(line, "\n")] = '\0';
	for (char *s = line; s && n < 5; n++) {
		field[n] = s;
		if ((s = strchr(s, '\t')))
			*s++ = '\0';
	}
	if (n == 2 && !strcmp(field[0], "about"))
		command[to].about = arena_strdup(&mem, field[1]);
	else if (n == 3 && !strcmp(field[0], "verb"))
		add_row(to, "verb", field[1], "", field[2], "");
	else if (n >= 4 && !strncmp(field[1], "--", 2))
		add_row(to, field[0], field[1], field[2], field[3], n == 5 ? field[4] : "");
}

/* The table that a tool, or a verb of one, prints of itself; one that does not know how to has none. */
static void read_table(size_t to, const char *tool, const char *verb)
{
	char *path = xasprintf("%s/llmc-%s", shell_home(), tool), *line = NULL;
	size_t cap = 0;
	int end[2];
	pid_t child;
	FILE *f;

	if (pipe2(end, O_CLOEXEC) < 0 || (child = fork()) < 0 || !(f = fdopen(end[0], "r")))
		die(ST_FAIL, "cannot run '%s': %s", path, strerror(errno));
	if (!child) {
		int null = open("/dev/null", O_RDWR);

		if (null < 0 || dup2(null, 0) < 0 || dup2(end[1], 1) < 0 || dup2(null, 2) < 0)
			_exit(1);
		execl(path, path, verb ? verb : "--completion", verb ? "--completion" : (char *)NULL, (char *)NULL);
		_exit(1);
	}
	close(end[1]);
	while (getline(&line, &cap, f) > 0)
		read_row(to, line);
	fclose(f);
	free(line);
	free(path);
	waitpid(child, NULL, 0);
}

static void add_tool(const char *tool)
{
	size_t at = add_command(tool);

	read_table(at, tool, NULL);
	for (size_t i = 0; i < command[at].n; i++) {
		const char *verb = command[at].row[i].name;

		if (!strcmp(command[at].row[i].kind, "verb"))
			read_table(add_command(arena_printf(&mem, "%s %s", tool, verb)), tool, verb);
	}
}

static void add_operands(const char *name, char *const *words, const char *const *more)
{
	size_t at = add_command(name);

	for (; words && *words; words++)
		add_row(at, "operand", *words, "", "", "");
	for (; *more; more++)
		add_row(at, "operand", *more, "", "", "");
}

static void gather(void)
{
	static const char *const pages[] = { "bundle", "options", "recipes", NULL }, *const rules[] = { "rules", NULL },
		*const shells[] = { "bash", "zsh", NULL };
	char **tool, **recipe;
	size_t n = (size_t)shell_tools(&tool), at;

	recipe_names(&recipe);
	for (size_t i = 0; i < n; i++)
		if (plain(tool[i], ""))
			add_tool(tool[i]);
	at = add_command("llmc");
	for (size_t i = 0; i < at; i++)
		if (!strchr(command[i].name, ' '))
			add_row(at, "verb", command[i].name, "", command[i].about, "");
	add_row(at, "verb", "help", "", "show a manual", "");
	add_row(at, "verb", "recipe", "", "list the recipes, or print where one is", "");
	add_row(at, "verb", "completion", "", "print completion for a shell", "");
	add_row(at, "flag", "--help", "-h", "print usage", "");
	add_row(at, "flag", "--version", "", "print versions, and what was compiled in", "");
	add_operands("help", tool, pages);
	add_operands("recipe", recipe, rules);
	add_operands("completion", NULL, shells);
	shell_free(tool);
	shell_free(recipe);
}

/* A case for every command, of rows KIND|NAME|LETTER|WORD WORD...|ABOUT; both shells read it so. */
static void print_rows(void)
{
	printf("_llmc_rows()\n{\n\tcase $1 in\n");
	for (size_t i = 0; i < commands; i++) {
		printf("\t'%s') printf '%%s\\n'", command[i].name);
		for (size_t k = 0; k < command[i].n; k++) {
			const struct row *r = &command[i].row[k];

			printf(" \\\n\t\t'%s|%s|%s|", r->kind, r->name, r->letter);
			for (const char *w = r->words; *w; w++)
				putchar(*w == '|' ? ' ' : *w);
			putchar('|');
			for (const char *a = r->about; *a; a++)
				printf(*a == '\'' ? "'\\''" : "%c", *a);
			putchar('\'');
		}
		printf(" ;;\n");
	}
	printf("\tesac\n}\n");
}

static void print_programs(void)
{
	printf(" llmc");
	for (size_t i = 0; i < commands && strcmp(command[i].name, "llmc"); i++)
		if (!strchr(command[i].name, ' '))
			printf(" llmc-%s", command[i].name);
	putchar('\n');
}

/* Functions that complete by those rows. */
static const char bash_function[] =
	"_llmc()\n"
	"{\n"
	"\tlocal cur=${COMP_WORDS[COMP_CWORD]} key=${COMP_WORDS[0]##*/} before='' option='' kind='file' want='' at=1 i\n"
	"\tlocal what name letter words\n"
	"\tlocal -a rows\n"
	"\tCOMPREPLY=()\n"
	"\tkey=${key#llmc-}\n"
	"\t# Down to the verb that is being completed, or whose options are.\n"
	"\twhile mapfile -t rows < <(_llmc_rows \"$key\") && [[ ${rows[*]} == *'verb|'* ]] && ((at < COMP_CWORD)); do\n"
	"\t\t[[ $key != llmc ]] || key=''\n"
	"\t\tkey=${key:+$key }${COMP_WORDS[at]}\n"
	"\t\t((at++))\n"
	"\tdone\n"
	"\t# The option that a value is wanted for: '=' is a word of its own, or not.\n"
	"\tif [[ $cur == --*=* ]]; then\n"
	"\t\tbefore=${cur%%=*}= option=${cur%%=*} cur=${cur#*=}\n"
	"\telif [[ $cur == = ]]; then\n"
	"\t\toption=${COMP_WORDS[COMP_CWORD - 1]} cur=''\n"
	"\telif ((COMP_CWORD > at + 1)) && [[ ${COMP_WORDS[COMP_CWORD - 1]} == = ]]; then\n"
	"\t\toption=${COMP_WORDS[COMP_CWORD - 2]}\n"
	"\telif ((COMP_CWORD > at)); then\n"
	"\t\toption=${COMP_WORDS[COMP_CWORD - 1]}\n"
	"\tfi\n"
	"\tfor ((i = at; i < COMP_CWORD; i++)); do\n"
	"\t\t[[ ${COMP_WORDS[i]} != -- ]] || option=--\n"
	"\tdone\n"
	"\tfor i in \"${!rows[@]}\"; do\n"
	"\t\tIFS='|' read -r what name letter words _ <<<\"${rows[i]}\"\n"
	"\t\tcase $what in\n"
	"\t\tverb | operand)\n"
	"\t\t\t[[ $cur == -* ]] || kind=word want+=\" $name\"\n"
	"\t\t\t;;\n"
	"\t\t*)\n"
	"\t\t\tif [[ -n $option && $what != flag && ($option == \"$name\" || $option == \"$letter\") ]]; then\n"
	"\t\t\t\tkind=$what want=$words\n"
	"\t\t\t\tbreak\n"
	"\t\t\tfi\n"
	"\t\t\t[[ $cur != -* || $option == -- ]] || kind=word want+=\" $name $letter\"\n"
	"\t\t\t;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tcase $kind in\n"
	"\tword)\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -W \"$want\" -- \"$cur\")\n"
	"\t\t;;\n"
	"\tfile | dir)\n"
	"\t\tmapfile -t COMPREPLY < <(compgen -\"${kind:0:1}\" -- \"$cur\")\n"
	"\t\tcompopt -o filenames 2>/dev/null\n"
	"\t\t;;\n"
	"\tesac\n"
	"\t[[ -z $before ]] || COMPREPLY=(\"${COMPREPLY[@]/#/$before}\")\n"
	"}\n";
static const char zsh_function[] =
	"_llmc_command()\n"
	"{\n"
	"\tlocal key=$1 row kind name letter values about spec\n"
	"\tlocal -a verbs operands specs\n"
	"\tfor row in ${(f)\"$(_llmc_rows $key)\"}; do\n"
	"\t\tIFS='|' read -r kind name letter values about <<<$row\n"
	"\t\tabout=${${${${about//\\\\/\\\\\\\\}//\\[/\\\\[}//\\]/\\\\]}//:/\\\\:}\n"
	"\t\tcase $kind in\n"
	"\t\tverb) verbs+=(\"$name:$about\"); continue ;;\n"
	"\t\toperand) operands+=($name); continue ;;\n"
	"\t\tflag) spec=\"[$about]\" ;;\n"
	"\t\tword) spec=\"[$about]:word:($values)\" ;;\n"
	"\t\tfile) spec=\"[$about]:file:_files\" ;;\n"
	"\t\tdir) spec=\"[$about]:directory:_files -/\" ;;\n"
	"\t\t*) spec=\"[$about]:value: \" ;;\n"
	"\t\tesac\n"
	"\t\tif [[ $kind == flag ]]; then\n"
	"\t\t\tspecs+=(\"${letter:+($name $letter)}$name$spec\")\n"
	"\t\t\t[[ -z $letter ]] || specs+=(\"($name $letter)$letter$spec\")\n"
	"\t\telse\n"
	"\t\t\t[[ $kind != list ]] || name=\"*$name\"\n"
	"\t\t\tspecs+=(\"${letter:+($name $letter)}$name=$spec\")\n"
	"\t\t\t[[ -z $letter ]] || specs+=(\"($name $letter)$letter+$spec\")\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif ((! $#verbs)); then\n"
	"\t\t(($#operands)) && specs+=(\"1:$key:($operands)\") || specs+=('*:file:_files')\n"
	"\t\t_arguments -s -S $specs\n"
	"\telif ((CURRENT > 2)); then\n"
	"\t\t[[ $key == llmc ]] && key=$words[2] || key+=\" $words[2]\"\n"
	"\t\tshift words\n"
	"\t\t((CURRENT--))\n"
	"\t\t_llmc_command $key\n"
	"\telif [[ $PREFIX == -* ]]; then\n"
	"\t\t_arguments -s -S $specs\n"
	"\telse\n"
	"\t\t_describe -t commands command verbs\n"
	"\tfi\n"
	"}\n";

void completion_print(const char *shell)
{
	bool bash = shell && !strcmp(shell, "bash");

	if (!bash && !(shell && !strcmp(shell, "zsh")))
		die(ST_USAGE, "completion for which shell: bash or zsh");
	gather();
	if (!bash) {
		printf("#compdef");
		print_programs();
	}
	printf("# Completion of llmc and its tools, as 'llmc completion %s' printed it.\n", shell);
	print_rows();
	fputs(bash ? bash_function : zsh_function, stdout);
	if (bash) {
		printf("complete -F _llmc");
		print_programs();
	} else
		printf("_llmc_command \"${service#llmc-}\"\n");
}
