/* The dispatcher: tools are programs llmc-X, beside it or in PATH. */
#ifndef SHELL_H
#define SHELL_H

#include "base/err.h"

NORETURN void shell_run(char **argv);           /* becomes llmc-argv[0]; dies with ST_USAGE when there is none */
NORETURN void shell_help(const char *tool);     /* becomes man(1); NULL: llmc(1) */
void shell_list(void);                          /* the tools beside this program, one a line */

#endif
