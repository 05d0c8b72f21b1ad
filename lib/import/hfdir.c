/* A Hugging Face directory: config.json, model.safetensors or its shards with an index, tokenizer files.
 *
 * The digest that goes into provenance is XXH3-64 over config.json and then, shard by shard in the order of
 * their names: name, size, header, and the first 4 KiB of every tensor.  The whole of the data is digested
 * member by member in the bundle's trailer; here it would have to be read twice. */
#include "import/source.h"

#include "base/err.h"
#include "tensor/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

enum { SAMPLE = 4096 };
#define MAX_JSON (100u << 20)           /* an index or a configuration; the largest index seen has 8 MB */
#define MAX_SIDE (1u << 30)             /* a tokenizer file */

struct where {
	const char *name;               /* of the tensor */
	int shard;
	uint64_t at;                    /* in the file */
	const char *said;               /* the shard that the index names; NULL: no index, or not in it */
	struct tensor t;
};
struct hfdir {
	char *dir;
	const char **shard;             /* [nshard] file names */
	struct mark *mark;              /* [nshard]; size 0: not opened yet */
	int nshard;
	struct where *w;                /* [nt], in the order of source.t */
	struct rfile cur;               /* the shard read last */
	char *cur_path;
	int cur_shard;                  /* -1: none */
};

static char *join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	return xasprintf("%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
}

/* What cannot be looked at is there: opening it will say why. */
static bool exists(const char *dir, const char *name)
{
	char *p = join(dir, name);
	struct stat st;
	bool yes = !stat(p, &st) || (errno != ENOENT && errno != ENOTDIR);

	free(p);
	return yes;
}

static int select_shard(struct hfdir *h, int k)
{
	if (h->cur_shard == k)
		return 0;
	rfile_close(&h->cur);
	free(h->cur_path);
	h->cur_shard = -1;
	h->cur_path = join(h->dir, h->shard[k]);
	if (rfile_open(&h->cur, h->cur_path) < 0)
		return -1;
	if (h->mark[k].size && mark_same(h->cur_path, &h->cur.mark, &h->mark[k]) < 0)
		return -1;
	h->mark[k] = h->cur.mark;
	h->cur_shard = k;
	return 0;
}

static int read_rows(struct source *s, int i, int64_t row, int64_t rows, void *dst)
{
	struct hfdir *h = s->priv;
	uint64_t bytes = (uint64_t)tensor_cols(&s->t[i]) * dtype_size(s->t[i].dt);

	if (select_shard(h, h->w[i].shard) < 0)
		return -1;
	return rfile_read(&h->cur, h->w[i].at + (uint64_t)row * bytes, dst, (uint64_t)rows * bytes);
}

static void close_dir(struct source *s)
{
	struct hfdir *h = s->priv;

	rfile_close(&h->cur);
	free(h->cur_path);
	free(h->dir);
	free(h->shard);
	free(h->mark);
	free(h->w);
	free(h);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct where *)a)->name, ((const struct where *)b)->name);
}

static int by_string(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A shard's name stays in the directory: the index comes from outside. */
static bool plain_name(const char *s)
{
	return *s && *s != '.' && strlen(s) < 256 && !strchr(s, '/') && !strchr(s, '\\') && !strstr(s, "..");
}

/* Reads "weight_map" into want[n], sorted by tensor, and the shards into h. */
static int read_index(struct source *s, struct hfdir *h, struct where **want, int *n)
{
	char *path = join(h->dir, "model.safetensors.index.json"), *text;
	cJSON *idx = NULL, *map;
	const cJSON *v;
	size_t len;
	int k = 0, r = -1;

	text = source_slurp(path, MAX_JSON, &len);
	if (text)
		idx = json_parse(text, len, "model.safetensors.index.json");
	map = cJSON_GetObjectItemCaseSensitive(idx, "weight_map");
	if (idx && (!cJSON_IsObject(map) || !map->child)) {
		err_set(ST_BAD, "model.safetensors.index.json: no 'weight_map'");
		map = NULL;
	}
	if (map) {
		*n = cJSON_GetArraySize(map);
		*want = xcalloc((size_t)*n, sizeof(**want));
		h->shard = xcalloc((size_t)*n, sizeof(*h->shard));
		r = 0;
		cJSON_ArrayForEach(v, map) {
			if (!cJSON_IsString(v) || !plain_name(v->valuestring)) {
				r = err_set(ST_BAD,
				            "model.safetensors.index.json: '%.80s' is mapped to no plain file name",
				            v->string);
				break;
			}
			(*want)[k].name = arena_strdup(&s->mem, v->string);
			(*want)[k].said = h->shard[k] = arena_strdup(&s->mem, v->valuestring);
			k++;
		}
	}
	if (r == 0) {
		qsort(*want, (size_t)*n, sizeof(**want), by_name);
		qsort(h->shard, (size_t)*n, sizeof(*h->shard), by_string);
		for (int i = 0; i < *n; i++)
			if (!h->nshard || strcmp(h->shard[h->nshard - 1], h->shard[i]))
				h->shard[h->nshard++] = h->shard[i];
	}
	cJSON_Delete(idx);
	free(text);
	free(path);
	return r;
}

/* The header of shard k: appends its tensors to the source. */
static int read_shard(struct source *s, struct hfdir *h, int k, XXH3_state_t *x)
{
	char first[8 + 1] = "", sample[SAMPLE];
	uint64_t head, n;
	void *buf;
	struct st st;

	if (select_shard(h, k) < 0)
		return -1;
	n = h->cur.size < sizeof(first) ? h->cur.size : sizeof(first);
	if (rfile_read(&h->cur, 0, first, n) < 0)
		return -1;
	head = st_head_size(first, (size_t)n, h->cur.size);
	if (!head)
		return err_at("'%s'", h->shard[k]);
	buf = xmalloc((size_t)head);
	if (rfile_read(&h->cur, 0, buf, head) < 0 || st_parse(&st, buf, h->cur.size, h->shard[k]) < 0) {
		free(buf);
		return -1;
	}
	XXH3_64bits_update(x, h->shard[k], strlen(h->shard[k]) + 1);
	XXH3_64bits_update(x, &h->cur.size, sizeof(h->cur.size));
	XXH3_64bits_update(x, buf, (size_t)head);
	free(buf);
	h->w = xrealloc(h->w, ((size_t)s->nt + (size_t)st.n + 1) * sizeof(*h->w));
	for (int i = 0; i < st.n; i++) {
		struct where *w = &h->w[s->nt++];
		uint64_t bytes = st.e[i].end - st.e[i].begin;

		*w = (struct where){ arena_strdup(&s->mem, st.e[i].t.name), k, st.head + st.e[i].begin, NULL, st.e[i].t };
		w->t.name = w->name;
		w->t.data = NULL;
		if (bytes > sizeof(sample))
			bytes = sizeof(sample);
		if (rfile_read(&h->cur, w->at, sample, bytes) < 0) {
			st_free(&st);
			return -1;
		}
		XXH3_64bits_update(x, sample, (size_t)bytes);
	}
	st_free(&st);
	return 0;
}

/* Every tensor of the index lies in the shard that the index says, and every tensor of a shard is in the
 * index: engines differ in what they do with the rest, so neither is guessed at. */
static int check_index(const struct hfdir *h, const struct where *want, int n, const struct where *have, int nt)
{
	for (int i = 1; i < nt; i++)
		if (!strcmp(have[i - 1].name, have[i].name))
			return err_set(ST_BAD, "tensor '%s' is in '%s' and again in '%s'", have[i].name,
			               h->shard[have[i - 1].shard], h->shard[have[i].shard]);
	if (!want)
		return 0;
	for (int i = 0, k = 0; i < n || k < nt; ) {
		int c = i == n ? 1 : k == nt ? -1 : strcmp(want[i].name, have[k].name);

		if (c < 0)
			return err_set(ST_BAD, "tensor '%s' is not in '%s', where the index has it", want[i].name,
			               want[i].said);
		if (c > 0)
			return err_set(ST_BAD, "tensor '%s' of '%s' is not in the index", have[k].name,
			               h->shard[have[k].shard]);
		if (strcmp(want[i].said, h->shard[have[k].shard]))
			return err_set(ST_BAD, "tensor '%s' is in '%s', the index has it in '%s'", want[i].name,
			               h->shard[have[k].shard], want[i].said);
		i++;
		k++;
	}
	return 0;
}

static int find_weights(struct hfdir *h, const char *lone, bool *index)
{
	const char *one = lone ? lone : "model.safetensors";

	*index = !lone && exists(h->dir, "model.safetensors.index.json");
	if (*index && exists(h->dir, one))
		return err_set(ST_BAD, "'%s' has both model.safetensors and model.safetensors.index.json: remove one",
		               h->dir);
	if (*index)
		return 0;
	if (!exists(h->dir, one)) {
		if (exists(h->dir, "pytorch_model.bin") || exists(h->dir, "pytorch_model.bin.index.json"))
			return err_set(ST_UNSUP, "'%s' holds pickled weights: save them as safetensors first", h->dir);
		return err_set(ST_BAD, "'%s' has neither model.safetensors nor model.safetensors.index.json", h->dir);
	}
	h->shard = xcalloc(1, sizeof(*h->shard));
	h->shard[h->nshard++] = one;
	return 0;
}

static int read_weights(struct source *s, struct hfdir *h, const char *lone, XXH3_state_t *x)
{
	struct where *want = NULL, *have;
	int n = 0, r;
	bool index;

	if (find_weights(h, lone ? arena_strdup(&s->mem, lone) : NULL, &index) < 0 ||
	    (index && read_index(s, h, &want, &n) < 0)) {
		free(want);
		return -1;
	}
	h->mark = xcalloc((size_t)h->nshard, sizeof(*h->mark));
	r = 0;
	for (int k = 0; k < h->nshard && r == 0; k++)
		if ((r = read_shard(s, h, k, x)) == 0)
			source_stamp(s, &h->mark[k]);
	if (r == 0) {
		have = xmalloc(((size_t)s->nt + 1) * sizeof(*have));
		if (s->nt)
			memcpy(have, h->w, (size_t)s->nt * sizeof(*have));
		qsort(have, (size_t)s->nt, sizeof(*have), by_name);
		r = check_index(h, want, n, have, s->nt);
		free(have);
	}
	free(want);
	if (r < 0)
		return -1;
	s->t = xcalloc((size_t)s->nt + 1, sizeof(*s->t));
	for (int i = 0; i < s->nt; i++)
		s->t[i] = h->w[i].t;
	return 0;
}

/* What travels along.  A licence binds whoever passes the weights on, so it goes with them. */
static const struct {
	const char *member, *file;
} side[] = {
	{ "tokenizer", "tokenizer.json" }, { "tokenizer", "tokenizer.model" }, { "tokenizer", "tokenizer_config.json" },
	{ "tokenizer", "special_tokens_map.json" }, { "tokenizer", "added_tokens.json" }, { "tokenizer", "vocab.json" },
	{ "tokenizer", "merges.txt" }, { "tokenizer", "chat_template.jinja" }, { "tokenizer", "chat_template.json" },
	{ "extra", "config.json" }, { "extra", "generation_config.json" }, { "extra", "preprocessor_config.json" },
	{ "extra", "processor_config.json" }, { "extra", "video_preprocessor_config.json" }, { "extra", "LICENSE" },
	{ "extra", "LICENSE.txt" }, { "extra", "LICENSE.md" }, { "extra", "NOTICE" }, { "extra", "NOTICE.txt" }
};

static int read_side(struct source *s, struct hfdir *h, XXH3_state_t *x)
{
	for (size_t i = 0; i < sizeof(side) / sizeof(*side); i++) {
		bool config = !strcmp(side[i].file, "config.json");
		char *path, member[128];
		void *data;
		size_t len;

		if (!config && !exists(h->dir, side[i].file))
			continue;
		path = join(h->dir, side[i].file);
		data = source_slurp(path, config ? MAX_JSON : MAX_SIDE, &len);
		free(path);
		if (!data)
			return -1;
		snprintf(member, sizeof(member), "%s/%s", side[i].member, side[i].file);
		source_add_file(s, member, data, len);
		if (config) {
			XXH3_64bits_update(x, data, len);
			s->config = json_parse(data, len, "config.json");
			if (!s->config)
				return -1;
			if (!cJSON_IsObject(s->config))
				return err_set(ST_BAD, "config.json: not an object");
		}
	}
	return 0;
}

int hfdir_open(struct source *s, const char *dir, const char *lone)
{
	struct hfdir *h = xcalloc(1, sizeof(*h));
	XXH3_state_t *x = XXH3_createState();

	if (!x)
		die(ST_FAIL, "out of memory");
	XXH3_64bits_reset(x);
	h->dir = xstrdup(dir);
	h->cur.fd = h->cur_shard = -1;
	s->priv = h;
	s->close = close_dir;
	s->read = read_rows;
	if (read_side(s, h, x) < 0 || read_weights(s, h, lone, x) < 0) {
		XXH3_freeState(x);
		return -1;
	}
	s->digest = XXH3_64bits_digest(x);
	XXH3_freeState(x);
	return 0;
}
