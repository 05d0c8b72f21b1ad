/* The dispatcher: tools are programs llmc-X, beside it or in PATH. */
#ifndef SHELL_H
#define SHELL_H

#include "base/err.h"

#define LLMC_USAGE "TOOL [options] [operands]\n       llmc help [TOOL]\n       llmc recipe [NAME]\n" \
	"       llmc completion bash|zsh"

NORETURN void shell_run(char **argv);           /* becomes llmc-argv[0]; dies with ST_USAGE when there is none */
NORETURN void shell_help(const char *tool);     /* becomes man(1); NULL: llmc(1) */
void shell_list(void);                          /* the tools beside this program, one a line */

const char *shell_home(void);                   /* where this program lies; "" when that cannot be told */
/* The tools beside this program, their names cut to what follows "llmc-", then NULL; their number. */
int shell_tools(char ***);
void shell_free(char **list);
/* Dies with ST_USAGE: there is no such WHAT, and which of those in the list is nearest. */
NORETURN void shell_unknown(const char *what, const char *name, char *const *list);

#endif
