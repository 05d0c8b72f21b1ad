/* The list of families, and what all of them share: names with a %L in them. */
#include "model/family.h"

#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct family family_llama, family_mistral, family_qwen2;

static const struct family *const families[] = { &family_llama, &family_mistral, &family_qwen2, NULL };

const struct family *const *family_list(void)
{
	return families;
}

const struct family *family_find(const char *name)
{
	for (int i = 0; families[i]; i++)
		if (!strcmp(families[i]->name, name))
			return families[i];
	return NULL;
}

const struct family *family_match(const char *arch)
{
	for (int i = 0; families[i]; i++)
		for (int k = 0; k < 4 && families[i]->match[k]; k++)
			if (!strcmp(families[i]->match[k], arch))
				return families[i];
	return NULL;
}

size_t family_prefix(const struct family *f)
{
	const char *dot = f->names[R_EMBED] ? strchr(f->names[R_EMBED], '.') : NULL;

	return dot ? (size_t)(dot - f->names[R_EMBED]) + 1 : 0;
}

const char *family_tensor(const struct family *f, enum role role, enum part part, int layer, bool bare, char *buf,
                          size_t n)
{
	const char *p = f->names[role], *l;
	size_t skip = family_prefix(f);

	if (!p)                                                 /* a row that lacks it: say which */
		p = role_name(role);
	if (bare && skip && !strncmp(p, f->names[R_EMBED], skip))       /* "lm_head" has none */
		p += skip;
	l = strstr(p, "%L");
	if (l)
		snprintf(buf, n, "%.*s%d%s.%s", (int)(l - p), p, layer, l + 2, part_name(part));
	else
		snprintf(buf, n, "%s.%s", p, part_name(part));
	return buf;
}

/* Does `name` read as pattern, a dot and a part?  Sets layer where the pattern has %L. */
static bool name_match(const char *pattern, const char *name, enum part *part, int *layer)
{
	const char *l = strstr(pattern, "%L");
	size_t n = l ? (size_t)(l - pattern) : strlen(pattern);

	if (strncmp(pattern, name, n))
		return false;
	name += n;
	if (l) {
		char *end;
		long v;

		if (*name < '0' || *name > '9' || (*name == '0' && name[1] >= '0' && name[1] <= '9'))
			return false;
		v = strtol(name, &end, 10);
		if (v >= MAX_LAYER || strncmp(end, l + 2, strlen(l + 2)))
			return false;
		*layer = (int)v;
		name = end + strlen(l + 2);
	}
	if (*name++ != '.')
		return false;
	for (int p = 0; p < P_N; p++)
		if (!strcmp(name, part_name((enum part)p))) {
			*part = (enum part)p;
			return true;
		}
	return false;
}

/* Buffers that old checkpoints carry and that are recomputed from the configuration. */
static bool ignored(const char *name)
{
	static const char *const tails[] = { ".rotary_emb.inv_freq", ".rotary_pos_emb.inv_freq", ".attn.bias",
	                                     ".attn.masked_bias", ".position_ids" };
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++)
		if (n > strlen(tails[i]) && !strcmp(name + n - strlen(tails[i]), tails[i]))
			return true;
	return false;
}

int family_role(const struct family *f, const char *name, enum role *role, enum part *part, int *layer)
{
	*layer = 0;
	for (int r = 0; r < R_N; r++)
		if (f->names[r] && name_match(f->names[r], name, part, layer)) {
			*role = (enum role)r;
			return 1;
		}
	return ignored(name) ? 0 : -1;
}
