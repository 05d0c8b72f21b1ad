/* Any text as a default spec and, in the lines after it, rules and skips (lines that begin with '-'). */
#include "base/err.h"
#include "fuzz.h"
#include "tensor/spec.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void print_and_parse(const struct qspec *q)
{
	struct qspec r;
	char buf[64];

	require(q->fmt == Q_NONE || (q->bits >= 2 && q->bits <= 8));
	require(q->gran != G_GROUP || q->group >= 1);
	require(!spec_parse(&r, spec_print(q, buf, sizeof(buf))) && !memcmp(q, &r, sizeof(r)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum { MAX = 32 };
	static const char *const role[] = { "attn.q", "attn.o", "mlp.gate", "mlp.down" };
	const char *rule[MAX], *skip[MAX], *line, *def;
	char *text = malloc(size + 1), *next;
	int nrule = 0, nskip = 0;
	struct rules rs;

	alloc_limit(size, 256, 1 << 20);
	require(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	next = text;
	def = strsep(&next, "\n");
	while ((line = strsep(&next, "\n")) && nrule < MAX && nskip < MAX)
		if (*line == '-')
			skip[nskip++] = line + 1;
		else
			rule[nrule++] = line;
	err_clear();
	if (rules_parse(&rs, def, rule, nrule, skip, nskip)) {
		require(err_status() == ST_USAGE || err_status() == ST_UNSUP);
		free(text);
		return 0;
	}
	print_and_parse(&rs.def);
	for (int b = -1; b < 12; b += 3)
		for (int i = 0; i < 4; i++)
			print_and_parse(rules_find(&rs, b, role[i]));
	if (rules_check(&rs, role, 4))
		require(err_status() == ST_USAGE);
	rules_free(&rs);
	free(text);
	return 0;
}
