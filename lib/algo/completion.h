/* Completion for shells: what the option tables of the tools beside this program say, as a script. */
#ifndef COMPLETION_H
#define COMPLETION_H

void completion_print(const char *shell);       /* "bash" or "zsh"; else dies with ST_USAGE */

#endif
