/* A change to a JSON object that leaves every other byte as it is: a configuration passes through us with its
 * numbers, order and white space. */
#include "pack/pack.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

static const char *space(const char *s)
{
	return s + strspn(s, " \t\r\n");
}

static const char *skip_string(const char *s)           /* s at the opening quote */
{
	for (s++; *s && *s != '"'; s++)
		if (*s == '\\' && s[1])
			s++;
	return *s ? s + 1 : s;
}

static const char *skip_value(const char *s)
{
	int depth = 0;

	do {
		if (*s == '"') {
			s = skip_string(s);
			continue;
		}
		if (*s == '{' || *s == '[')
			depth++;
		else if (*s == '}' || *s == ']') {
			if (!depth)
				return s;       /* the object that the value stands in */
			depth--;
		} else if (*s == ',' && !depth)
			return s;
		s++;
	} while (*s && (depth || (*s != ',' && *s != '}')));
	return s;
}

/* a, then `mid`, then b. */
static char *splice(const char *a, size_t n, const char *mid, const char *b)
{
	return xasprintf("%.*s%s%s", (int)n, a, mid, b);
}

/* The value of a key of the object: where it begins and, *end, ends; NULL: it has none. */
static const char *find_value(const char *text, const char *key, const char **end)
{
	const char *s = space(text), *from;
	size_t n = strlen(key);

	if (*s != '{')
		return NULL;
	for (s = space(s + 1); *s == '"'; s = space(s + 1)) {
		from = s;
		s = space(skip_string(s));
		s = *s == ':' ? space(s + 1) : s;
		*end = skip_value(s);
		if (!strncmp(from + 1, key, n) && from[n + 1] == '"')
			return s;
		s = space(*end);
		if (*s != ',')
			break;
	}
	return NULL;
}

char *json_edit_in(const char *text, const char *object, const char *key, const char *value)
{
	const char *end = NULL, *from = find_value(text, object, &end);
	char *inner, *next, *out;

	if (!from || *from != '{')
		return xstrdup(text);
	inner = xasprintf("%.*s", (int)(end - from), from);
	next = json_edit(inner, key, value);
	out = splice(text, (size_t)(from - text), next, end);
	free(inner);
	free(next);
	return out;
}

char *json_edit(const char *text, const char *key, const char *value)
{
	const char *s = space(text), *last = NULL, *from, *end = NULL;
	size_t n = strlen(key);
	char *mid, *out;

	if (strlen(text) > INT32_MAX / 2 || *s != '{')
		die(ST_FAIL, "a configuration that is no object");
	for (s = space(s + 1); *s == '"'; s = space(s + 1)) {
		from = s;
		s = space(skip_string(s));
		s = *s == ':' ? space(s + 1) : s;
		end = skip_value(s);
		while (end > s && strchr(" \t\r\n", end[-1]))
			end--;
		if (!strncmp(from + 1, key, n) && from[n + 1] == '"') {
			if (value)
				return splice(text, (size_t)(s - text), value, end);
			/* with the comma after it, or else with the one before it */
			s = space(end);
			if (*s == ',')
				return splice(text, (size_t)(from - text), "", space(s + 1));
			return splice(text, (size_t)((last ? last : from) - text), "", end);
		}
		last = end;
		s = space(end);
		if (*s != ',')
			break;
	}
	if (!value)
		return xstrdup(text);
	mid = xasprintf("%s\n  \"%s\": %s%s", last ? "," : "", key, value, last ? "" : "\n");
	if (!last)
		last = strchr(text, '{') + 1;
	out = splice(text, (size_t)(last - text), mid, last);
	free(mid);
	return out;
}
