#include "base/table.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Strings come from files: what would break the table is shown as '?'. */
static void print_string(const char *s)
{
	char *t = xstrdup(s);

	utf8_tame(t, strlen(t));
	fputs(t, stdout);
	free(t);
}

static void print_value(const cJSON *v)
{
	char *text;

	if (!v || cJSON_IsNull(v))
		putchar('-');
	else if (cJSON_IsString(v))
		print_string(v->valuestring);
	else if (cJSON_IsNumber(v) && v->valuedouble == floor(v->valuedouble) && fabs(v->valuedouble) < 0x1p53)
		printf("%.0f", v->valuedouble);
	else if (cJSON_IsNumber(v))
		printf("%.6g", v->valuedouble);
	else {
		text = json_text(v, false);
		print_string(text);
		free(text);
	}
}

void table_print(const char *columns, const cJSON *rows)
{
	const cJSON *row;

	putchar('#');
	for (const char *c = columns; *c; c++)
		putchar(*c == ' ' ? '\t' : *c);
	putchar('\n');
	cJSON_ArrayForEach(row, rows) {
		for (const char *c = columns; *c; ) {
			char key[64];
			size_t n = strcspn(c, " ");

			snprintf(key, sizeof(key), "%.*s", (int)n, c);
			print_value(cJSON_GetObjectItemCaseSensitive(row, key));
			c += n + (c[n] == ' ');
			putchar(*c ? '\t' : '\n');
		}
	}
}

void table_join(cJSON *rows, const char *key)
{
	cJSON *row;
	const cJSON *v;

	cJSON_ArrayForEach(row, rows) {
		char *all = xstrdup(""), *more;

		cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(row, key)) {
			more = xasprintf("%s%s%s", all, *all ? "," : "", v->valuestring);
			free(all);
			all = more;
		}
		if (*all)
			json_put_str(row, key, all);
		free(all);
	}
}

void json_print(const cJSON *v)
{
	char *text = json_text(v, false);

	puts(text);
	free(text);
}
