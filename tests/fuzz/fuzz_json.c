/* Any bytes as JSON: refused with a message, or a value that prints, parses and prints as the same text. */
#include "base/err.h"
#include "base/json.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cJSON *v, *w;
	char *s, *t;
	const char *str = NULL;
	int64_t i = 0;
	double d = 0;
	bool b = false;

	alloc_limit(size, 256, 1 << 20);
	err_clear();
	v = json_parse(data, size, "f");
	if (!v) {
		require(err_status() == ST_BAD && !strncmp(err_msg(), "f: ", 3));
		return 0;
	}
	if (json_int(v, "a", -5, 1000, &i) == 1)
		require(i >= -5 && i <= 1000);
	if (json_num(v, "a", &d) == 1)
		require(d - d == 0);
	json_bool(v, "a", &b);
	if (json_str(v, "a", &str) == 1)
		require(str != NULL);
	s = json_text(v, false);
	w = json_parse(s, strlen(s), "again");
	require(w != NULL);
	t = json_text(w, false);
	require(!strcmp(s, t));
	free(s);
	free(t);
	cJSON_Delete(v);
	cJSON_Delete(w);
	return 0;
}
