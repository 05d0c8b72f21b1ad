#include "bundle/members.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NAME = 255, MAX_PIECE = 1 << 20 };

int member_name(const char *name)
{
	const char *part = name;

	if (!*name || strlen(name) > MAX_NAME)
		return err_set(ST_BAD, "a member's name of %zu bytes", strlen(name));
	for (const char *p = name;; p++) {
		if (*p && (*p < 0x20 || *p > 0x7e))
			return err_set(ST_BAD, "member '%s': a name is printable ASCII", name);
		if (*p && *p != '/')
			continue;
		if (p == part || (p - part == 1 && part[0] == '.') || (p - part == 2 && part[0] == '.' && part[1] == '.'))
			return err_set(ST_BAD, "member '%s': not a plain relative name", name);
		if (!*p)
			return 0;
		part = p + 1;
	}
}

static size_t *find(const struct members *m, const char *name)
{
	size_t i = XXH3_64bits(name, strlen(name)) & (m->nslot - 1);

	while (m->slot[i] && strcmp(m->e[m->slot[i] - 1].name, name))
		i = (i + 1) & (m->nslot - 1);
	return &m->slot[i];
}

static void rehash(struct members *m)
{
	m->nslot = m->nslot ? 2 * m->nslot : 64;
	free(m->slot);
	m->slot = xcalloc(m->nslot, sizeof(*m->slot));
	for (size_t i = 0; i < m->n; i++)
		*find(m, m->e[i].name) = i + 1;
}

int members_add(struct members *m, const char *name)
{
	size_t *slot;

	if (member_name(name) < 0)
		return -1;
	if (2 * (m->n + 1) > m->nslot)
		rehash(m);
	slot = find(m, name);
	if (*slot)
		return err_set(ST_BAD, "member '%s' comes twice", name);
	m->e = xgrow(m->e, m->n + 1, &m->cap, sizeof(*m->e));
	m->e[m->n] = (struct entry){ .name = xstrdup(name) };
	*slot = ++m->n;
	return 0;
}

static void hex(char *buf, XXH64_hash_t h)
{
	snprintf(buf, 17, "%016llx", (unsigned long long)h);
}

cJSON *members_json(const struct members *m, size_t from)
{
	cJSON *list = json_arr();
	char buf[17];

	for (size_t i = from; i < m->n; i++) {
		cJSON *o = json_obj();

		json_put_str(o, "name", m->e[i].name);
		json_put_num(o, "size", (double)m->e[i].size);
		hex(buf, m->e[i].xxh3);
		json_put_str(o, "xxh3", buf);
		json_push(list, o);
	}
	return list;
}

int members_take(struct members *m, const cJSON *list)
{
	const cJSON *o;
	const char *name, *xxh3;
	int64_t size;

	cJSON_ArrayForEach(o, list) {
		if (json_str(o, "name", &name) <= 0 || json_str(o, "xxh3", &xxh3) <= 0 ||
		    json_int(o, "size", 0, (int64_t)1 << 53, &size) <= 0)
			return err_set(ST_BAD, "not a list of members");
		if (members_add(m, name) < 0)
			return -1;
		m->e[m->n - 1].size = (uint64_t)size;
		m->e[m->n - 1].xxh3 = strtoull(xxh3, NULL, 16);
	}
	return 0;
}

int members_check(const struct members *m, const cJSON *list)
{
	const cJSON *o;
	size_t i = 0;
	char buf[17];

	if (!cJSON_IsArray(list))
		return err_set(ST_BAD, "end.json: no list of members");
	cJSON_ArrayForEach(o, list) {
		const char *name, *xxh3;
		int64_t size;

		if (json_str(o, "name", &name) <= 0 || json_str(o, "xxh3", &xxh3) <= 0 ||
		    json_int(o, "size", 0, (int64_t)1 << 53, &size) <= 0)
			return err_set(ST_BAD, "end.json: entry %zu is not a member's", i);
		if (i == m->n)
			return err_set(ST_BAD, "end.json lists '%.200s', which is not there", name);
		if (strcmp(name, m->e[i].name))
			return err_set(ST_BAD, "end.json lists '%.200s' where '%s' is", name, m->e[i].name);
		if ((uint64_t)size != m->e[i].size)
			return err_set(ST_BAD, "'%s' has %llu bytes, %lld by end.json", name, (unsigned long long)m->e[i].size,
			               (long long)size);
		hex(buf, m->e[i].xxh3);
		if (strcmp(buf, xxh3))
			return err_set(ST_BAD, "'%s' is damaged: digest %s, %.16s by end.json", name, buf, xxh3);
		i++;
	}
	if (i < m->n)
		return err_set(ST_BAD, "'%s' is not in the list of end.json", m->e[i].name);
	return 0;
}

uint64_t members_digest(const struct members *m, size_t from)
{
	XXH3_state_t *st = XXH3_createState();
	uint64_t d;

	if (!st)
		die(ST_FAIL, "out of memory");
	XXH3_64bits_reset(st);
	for (size_t i = from; i < m->n; i++) {
		char buf[17];

		hex(buf, m->e[i].xxh3);
		XXH3_64bits_update(st, m->e[i].name, strlen(m->e[i].name) + 1);
		XXH3_64bits_update(st, buf, 16);
	}
	d = XXH3_64bits_digest(st);
	XXH3_freeState(st);
	return d;
}

void members_free(struct members *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->e[i].name);
	free(m->e);
	free(m->slot);
	memset(m, 0, sizeof(*m));
}

/* "17" or "17.3" of "block/0017.3" that ends at `dot`. */
static bool layer_name(const char *name, const char *dot, struct block *b)
{
	unsigned long v, piece = 0;
	char *end;

	if (strncmp(name, "block/", 6) || name[6] < '0' || name[6] > '9' || (v = strtoul(name + 6, &end, 10)) >= MAX_LAYER)
		return false;
	if (end != dot && (*end != '.' || end[1] < '1' || end[1] > '9' || (piece = strtoul(end + 1, &end, 10)) > MAX_PIECE ||
	                   end != dot))
		return false;
	b->kind = BLK_KIND_DENSE;
	b->index = (int)v;
	b->piece = (int)piece;
	return true;
}

enum name_kind member_block(const char *name, enum blk_kind *kind, int *index, int *piece)
{
	const char *dot = strrchr(name, '.');
	struct block b = { 0 };
	enum name_kind k;
	char want[32];

	if (!dot || (strcmp(dot, ".json") && strcmp(dot, ".safetensors")))
		return NAME_OTHER;
	k = strcmp(dot, ".json") ? NAME_BLOCK : NAME_NOTE;
	if (!strncmp(name, "embed.", 6)) {
		b.kind = BLK_KIND_EMBED;
		b.index = BLK_EMBED;
	} else if (!strncmp(name, "head.", 5)) {
		b.kind = BLK_KIND_HEAD;
		b.index = BLK_HEAD;
	} else if (!layer_name(name, dot, &b))
		return NAME_OTHER;
	/* "block/17.json", "embed.x.json" are something else */
	block_member(&b, want);
	if (strlen(want) != (size_t)(dot - name) || strncmp(want, name, strlen(want)))
		return NAME_OTHER;
	*kind = b.kind;
	*index = b.index;
	*piece = b.piece;
	return k;
}

static int parse_index(const cJSON *v, int n_layer)
{
	if (cJSON_IsString(v) && !strcmp(v->valuestring, "embed"))
		return BLK_EMBED;
	if (cJSON_IsString(v) && !strcmp(v->valuestring, "head"))
		return BLK_HEAD;
	if (cJSON_IsNumber(v) && v->valuedouble >= 0 && v->valuedouble < n_layer && v->valuedouble == (int)v->valuedouble)
		return (int)v->valuedouble;
	return -2;
}

static void put_turn(struct sequence *s, const struct model *m, int index)
{
	s->pieces[s->n] = layer_pieces(m, index);
	s->index[s->n++] = index;
}

int sequence_init(struct sequence *s, const cJSON *manifest, const struct model *m)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(manifest, "blocks"), *v;
	int last = -2;

	memset(s, 0, sizeof(*s));
	s->index = xmalloc(((size_t)m->n_layer + 2) * sizeof(*s->index));
	s->pieces = xmalloc(((size_t)m->n_layer + 2) * sizeof(*s->pieces));
	if (!list) {
		for (int i = -1; i < m->n_layer; i++)
			put_turn(s, m, i);
		put_turn(s, m, BLK_HEAD);
		return 0;
	}
	if (!cJSON_IsArray(list))
		return err_set(ST_BAD, "'blocks' of the manifest is not a list");
	cJSON_ArrayForEach(v, list) {
		int i = parse_index(v, m->n_layer);

		if (i <= last)
			return err_set(ST_BAD, "'blocks' of the manifest is not a list of blocks in order");
		put_turn(s, m, last = i);
	}
	return 0;
}

static const char *label(int index, int piece, char *buf)
{
	struct block b = { .index = index, .piece = piece, .kind = block_kind(index) };

	return block_label(&b, buf);
}

int sequence_next(struct sequence *s, int index, int piece)
{
	char a[32], b[32];

	if (s->at == s->n || s->index[s->at] != index || s->piece != piece)
		return err_set(ST_BAD, "%s where %s is due", label(index, piece, a),
		               s->at < s->n ? label(s->index[s->at], s->piece, b) : "the end");
	if (++s->piece == s->pieces[s->at]) {
		s->at++;
		s->piece = 0;
	}
	return 0;
}

int sequence_end(const struct sequence *s)
{
	char buf[32];

	return s->at < s->n ? err_set(ST_BAD, "%s is missing", label(s->index[s->at], s->piece, buf)) : 0;
}

void sequence_free(struct sequence *s)
{
	free(s->index);
	free(s->pieces);
	memset(s, 0, sizeof(*s));
}
