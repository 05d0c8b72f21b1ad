/* Recipes: makefiles that come with the tools, llmc-recipes(7). */
#ifndef RECIPE_H
#define RECIPE_H

int recipe_names(char ***);             /* the names, in order, then NULL; their number */
void recipe_list(void);                 /* names and what they make, a table */
void recipe_find(const char *name);     /* prints the path; dies with ST_USAGE when there is none */

#endif
