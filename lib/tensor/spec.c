#include "tensor/spec.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/near.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PART = 32, MAX_GROUP = 1 << 20 };

/* Words of the language (design section 9) that later versions bring: said apart from nonsense. */
static const char *const later_fmt[] = {
	"fp8", "e4m3", "e5m2", "fp4", "e2m1", "e3m2", "mxfp4", "mxfp8", "nvfp4", "nf4", NULL
};
static const char *const later_part[] = {
	"token", "head", "tile128", "static", "dynamic", "hist", "zfloat", "percentile", NULL
};

static bool among(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(word, *list))
			return true;
	return false;
}

/* Decimal digits alone, no leading zero, in [1, max]; 0 when it is anything else. */
static int number(const char *s, int max)
{
	int n = 0;

	if (*s == '0')
		return 0;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || n > max)
			return 0;
		n = n * 10 + (*s - '0');
	}
	return n <= max ? n : 0;
}

static int parse_format(struct qspec *q, const char *word, const char *text)
{
	if (!strcmp(word, "none"))
		return 0;
	if (!strncmp(word, "int", 3)) {
		q->fmt = Q_INT;
		q->bits = number(word + 3, 8);
		if (q->bits < 2)
			return err_set(ST_USAGE, "'%s' in spec '%s': the integer formats are int2 to int8", word, text);
		return 0;
	}
	if (among(word, later_fmt))
		return err_set(ST_UNSUP, "'%s' is not a format of this version (int2..int8, none)", word);
	return err_set(ST_USAGE, "'%s' in spec '%s' is not a format (int2..int8, none)", word, text);
}

enum { SEEN_GRAN = 1, SEEN_SYM = 2, SEEN_RANGE = 4 };

/* One PART; *seen guards against a second word on the same matter, which the first would silently lose to. */
static int parse_part(struct qspec *q, const char *word, const char *text, unsigned *seen)
{
	unsigned what = SEEN_GRAN;

	if (!strcmp(word, "tensor"))
		q->gran = G_TENSOR;
	else if (!strcmp(word, "channel"))
		q->gran = G_CHANNEL;
	else if (word[0] == 'g' && word[1] >= '0' && word[1] <= '9') {
		q->gran = G_GROUP;
		q->group = number(word + 1, MAX_GROUP);
		if (!q->group)
			return err_set(ST_USAGE, "'%s' in spec '%s': a group has 1 to %d elements", word, text,
			               MAX_GROUP);
	} else if (!strcmp(word, "sym") || !strcmp(word, "asym")) {
		what = SEEN_SYM;
		q->sym = word[0] == 's';
	} else if (!strcmp(word, "minmax") || !strcmp(word, "mse")) {
		what = SEEN_RANGE;
		q->range = word[1] == 's' ? QR_MSE : QR_MINMAX;
	} else if (among(word, later_part) || !strncmp(word, "percentile=", 11))
		return err_set(ST_UNSUP, "'%s' is not a part of specs of this version (tensor, channel, gN, sym, asym, "
		               "minmax, mse)", word);
	else
		return err_set(ST_USAGE,
		               "'%s' in spec '%s' is not a part (tensor, channel, gN, sym, asym, minmax, mse)",
		               word, text);
	if (*seen & what)
		return err_set(ST_USAGE, "'%s' in spec '%s' comes after another word on the same matter", word, text);
	*seen |= what;
	return 0;
}

int spec_parse(struct qspec *q, const char *text)
{
	struct qspec r = { .fmt = Q_NONE, .gran = G_CHANNEL, .sym = true, .range = QR_MINMAX };
	const char *s = text;
	unsigned seen = 0;

	for (int i = 0; s; i++) {
		char word[MAX_PART];
		const char *end = strchr(s, ':');
		size_t len = end ? (size_t)(end - s) : strlen(s);

		if (!len || len >= sizeof(word))
			return err_set(ST_USAGE, "spec '%.100s' has %s part", text, len ? "an overlong" : "an empty");
		memcpy(word, s, len);
		word[len] = '\0';
		if (i && r.fmt == Q_NONE)
			return err_set(ST_USAGE, "'%s' in spec '%s': 'none' has no parts", word, text);
		if (i ? parse_part(&r, word, text, &seen) : parse_format(&r, word, text))
			return -1;
		s = end ? end + 1 : NULL;
	}
	if (r.fmt == Q_NONE)
		memset(&r, 0, sizeof(r));
	*q = r;
	return 0;
}

const char *spec_print(const struct qspec *q, char *buf, size_t n)
{
	char gran[16];

	if (q->fmt == Q_NONE) {
		snprintf(buf, n, "none");
		return buf;
	}
	if (q->gran == G_GROUP)
		snprintf(gran, sizeof(gran), "g%d", q->group);
	else
		snprintf(gran, sizeof(gran), "%s", q->gran == G_TENSOR ? "tensor" : "channel");
	snprintf(buf, n, "int%d:%s:%s%s", q->bits, gran, q->sym ? "sym" : "asym", q->range == QR_MSE ? ":mse" : "");
	return buf;
}

int rules_parse(struct rules *rs, const char *def, const char *const *rule, int nrule,
                const char *const *skip, int nskip)
{
	memset(rs, 0, sizeof(*rs));
	if (spec_parse(&rs->def, def ? def : "none"))
		return -1;
	rs->r = xcalloc((size_t)nrule + (size_t)nskip, sizeof(*rs->r));
	for (int i = 0; i < nskip; i++) {
		rs->r[rs->n++] = (struct rule){ .pattern = xstrdup(skip[i]), .skip = true };
		if (!*skip[i]) {
			rules_free(rs);
			return err_set(ST_USAGE, "--skip: the pattern is empty");
		}
	}
	for (int i = 0; i < nrule; i++) {
		struct rule *r = &rs->r[rs->n++];
		char *eq;

		r->pattern = xstrdup(rule[i]);
		eq = strchr(r->pattern, '=');
		if (!eq || eq == r->pattern) {
			rules_free(rs);
			return err_set(ST_USAGE, "--rule '%s' is not PATTERN=SPEC", rule[i]);
		}
		*eq = '\0';
		if (spec_parse(&r->spec, eq + 1)) {
			rules_free(rs);
			return err_at("--rule '%s'", rule[i]);
		}
	}
	return 0;
}

const struct qspec *rules_find(struct rules *rs, int block, const char *role)
{
	const struct qspec *found = NULL;
	char name[128];

	snprintf(name, sizeof(name), "%d.%s", block, role);
	for (int i = 0; i < rs->n; i++) {
		struct rule *r = &rs->r[i];

		if (fnmatch(r->pattern, role, 0) && (block < 0 || fnmatch(r->pattern, name, 0)))
			continue;
		r->hits++;
		if (!found)
			found = &r->spec;
	}
	return found ? found : &rs->def;
}

/* What of a pattern names the role: it without a leading "BLOCK.", in digits or as a glob. */
static const char *role_of(const char *pattern)
{
	size_t k = strspn(pattern, "0123456789*?[]-!^");

	return k && pattern[k] == '.' ? pattern + k + 1 : pattern;
}

int rules_check(const struct rules *rs, const char *const *role, int nrole)
{
	enum { SHOW = 3 };

	for (int i = 0; i < rs->n; i++) {
		const struct rule *r = &rs->r[i];
		int best[SHOW], n = 0;
		char near[256] = "";

		if (r->hits)
			continue;
		/* Insertion into a short sorted list; equals keep their order. */
		for (int k = 0; k < nrole; k++) {
			int d = near_distance(role_of(r->pattern), role[k]), at = n;
			bool twice = false;

			for (int j = 0; j < n; j++)
				twice |= !strcmp(role[best[j]], role[k]);
			if (twice)
				continue;
			while (at > 0 && near_distance(role_of(r->pattern), role[best[at - 1]]) > d)
				at--;
			if (at == SHOW)
				continue;
			n += n < SHOW;
			memmove(best + at + 1, best + at, (size_t)(n - 1 - at) * sizeof(*best));
			best[at] = k;
		}
		for (int j = 0; j < n; j++)
			snprintf(near + strlen(near), sizeof(near) - strlen(near), "%s'%s'", j ? ", " : "; nearest: ",
			         role[best[j]]);
		return err_set(ST_USAGE, "--%s '%s' matches no tensor%s", r->skip ? "skip" : "rule", r->pattern, near);
	}
	return 0;
}

void rules_free(struct rules *rs)
{
	for (int i = 0; i < rs->n; i++)
		free(rs->r[i].pattern);
	free(rs->r);
	rs->r = NULL;
	rs->n = 0;
}
