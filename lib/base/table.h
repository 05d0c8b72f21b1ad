/* Tables of results: rows are JSON objects, printed as tab-separated text under a '#' header. */
#ifndef TABLE_H
#define TABLE_H

#include "base/json.h"

/* Columns: names of members of the rows, separated by spaces, in order.  What a row lacks is "-"; reals have six
 * digits; objects and arrays are JSON. */
void table_print(const char *columns, const cJSON *rows);
/* For a table: where `key` of the rows is a list of words, these behind each other, with commas between. */
void table_join(cJSON *rows, const char *key);
void json_print(const cJSON *);                 /* one line on standard output */

#endif
