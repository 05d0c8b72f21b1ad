#include "data/tokint.h"

#include "base/err.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Scratches not in use; a call takes one and gives it back, so that the word cache lives on. */
struct rooms {
	pthread_mutex_t lock;
	struct scratch *free;
};

void ids_put(struct ids *out, const int32_t *v, size_t n)
{
	if (out->n + n > out->cap)
		out->v = xgrow(out->v, out->n + n, &out->cap, sizeof(*out->v));
	for (size_t i = 0; i < n; i++)
		out->v[out->n + i] = v[i];
	out->n += n;
}

void tok_keep(struct tok *t, struct jtree *tree)
{
	size_t i = 0;

	if (!tree->text)
		return;
	while (t->text[i])
		i++;
	t->text[i] = tree->text;
	tree->text = NULL;
}

int32_t tok_find(const struct tok *t, const char *s, size_t n)
{
	int32_t i = vocab_find(&t->added.names, s, n);

	return i >= 0 ? t->added.v[i].id : vocab_find(&t->vocab, s, n);
}

bool tok_files_set(struct tok_files *f, const char *name, const void *buf, size_t len)
{
	const struct { const char *name; const void **buf; size_t *len; } place[] = {
		{ "tokenizer.json", &f->json, &f->json_len },
		{ "tokenizer.model", &f->spm, &f->spm_len },
		{ "tokenizer_config.json", &f->config, &f->config_len },
		{ "special_tokens_map.json", &f->special, &f->special_len },
		{ "vocab.json", &f->vocab, &f->vocab_len },
		{ "merges.txt", &f->merges, &f->merges_len },
		{ "vocab.txt", &f->words, &f->words_len },
		{ "added_tokens.json", &f->added, &f->added_len },
		{ "chat_template.jinja", &f->chat, &f->chat_len },
		{ ".tiktoken", &f->ranks, &f->ranks_len },
	};

	const char *dot = strrchr(name, '.');

	for (size_t i = 0; i < sizeof(place) / sizeof(*place); i++)
		if (!strcmp(place[i].name, place[i].name[0] == '.' && dot ? dot : name)) {
			*place[i].buf = buf;
			*place[i].len = len;
			return true;
		}
	return false;
}

/* Of the files that count. */
static uint64_t digest(const struct tok_files *f)
{
	bool old = !f->json && !f->spm;
	const struct { const void *p; size_t n; } part[] = {
		{ f->json, f->json_len }, { f->json ? NULL : f->spm, f->spm_len }, { f->config, f->config_len },
		{ f->special, f->special_len }, { old ? f->ranks : NULL, f->ranks_len },
		{ old ? f->vocab : NULL, f->vocab_len }, { old ? f->merges : NULL, f->merges_len },
		{ old ? f->words : NULL, f->words_len }, { old ? f->added : NULL, f->added_len },
	};
	uint64_t h[sizeof(part) / sizeof(*part)];

	for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++)
		h[i] = part[i].p ? XXH3_64bits(part[i].p, part[i].n) : 0;
	return XXH3_64bits(h, sizeof(h));
}

struct tok *tok_load(const struct tok_files *f)
{
	struct tok *t = xcalloc(1, sizeof(*t));
	struct tokconf conf;
	int rc;

	t->bos = t->eos = -1;
	t->vocab.max_id = -1;
	t->rooms = xcalloc(1, sizeof(*t->rooms));
	pthread_mutex_init(&t->rooms->lock, NULL);
	added_init(&t->added);
	t->digest = digest(f);
	rc = tokconf_load(&conf, f);
	if (rc == 0)
		rc = tokconf_chat(&conf, f, t);
	if (rc == 0) {
		if (f->json)
			rc = tok_load_json(t, f->json, f->json_len, &conf, "tokenizer.json");
		else if (f->spm && is_ranks(f->spm, f->spm_len))
			rc = tok_load_ranks(t, f->spm, f->spm_len, &conf);
		else if (f->spm)
			rc = tok_load_spm(t, f->spm, f->spm_len, &conf);
		else if (f->ranks)
			rc = tok_load_ranks(t, f->ranks, f->ranks_len, &conf);
		else if (f->vocab && f->merges)
			rc = tok_load_vocab(t, f, &conf);
		else if (f->words)
			rc = tok_load_words(t, f, &conf);
		else
			rc = err_set(ST_BAD, "no tokenizer.json, nor another file of a tokenizer");
	}
	tokconf_free(&conf);
	if (rc < 0) {
		tok_free(t);
		return NULL;
	}
	return t;
}

static struct scratch *scratch_take(const struct tok *t)
{
	struct rooms *r = t->rooms;
	struct scratch *s;

	pthread_mutex_lock(&r->lock);
	s = r->free;
	if (s)
		r->free = s->next;
	pthread_mutex_unlock(&r->lock);
	if (!s) {
		s = xcalloc(1, sizeof(*s));
		s->onig = onig_room_new();
	}
	return s;
}

static void scratch_give(const struct tok *t, struct scratch *s)
{
	pthread_mutex_lock(&t->rooms->lock);
	s->next = t->rooms->free;
	t->rooms->free = s;
	pthread_mutex_unlock(&t->rooms->lock);
}

static void scratch_free(const struct engine *eng, struct scratch *s)
{
	if (s->engine)
		eng->room_free(s->engine);
	onig_room_free(s->onig);
	pre_room_free(&s->pre);
	bpe_room_free(&s->bpe);
	free(s->unigram.best);
	wordcache_free(&s->cache);
	bytes_free(&s->clean);
	bytes_free(&s->norm[0]);
	bytes_free(&s->norm[1]);
	free(s);
}

void tok_free(struct tok *t)
{
	struct scratch *s;

	if (!t)
		return;
	while ((s = t->rooms->free)) {
		t->rooms->free = s->next;
		scratch_free(t->eng, s);
	}
	pthread_mutex_destroy(&t->rooms->lock);
	free(t->rooms);
	if (t->eng)
		t->eng->free(t);
	vocab_free(&t->vocab);
	added_free(&t->added);
	free(t->front.v);
	free(t->back.v);
	for (size_t i = 0; i < sizeof(t->text) / sizeof(*t->text); i++)
		free(t->text[i]);
	free(t->chat.plain.text);
	free(t->chat.tools.text);
	for (size_t i = 0; i < TOK_PURPOSES; i++)
		free(t->chat.token[i]);
	free(t);
}

int64_t tok_size(const struct tok *t)
{
	int32_t a = t->vocab.max_id, b = t->added.max_id;

	return 1 + (int64_t)(a > b ? a : b);
}

uint64_t tok_digest(const struct tok *t)
{
	return t->digest;
}

const struct tok_chat *tok_chat(const struct tok *t)
{
	return &t->chat;
}

int32_t tok_bos(const struct tok *t)
{
	return t->bos;
}

int32_t tok_eos(const struct tok *t)
{
	return t->eos;
}

int tok_encode(const struct tok *t, const char *text, size_t len, enum tok_special special, struct ids *out)
{
	struct scratch *s;
	int rc;

	if (special == TOK_YES && !t->front.n && t->bos < 0)
		return err_set(ST_UNSUP, "the tokenizer has no token that begins a text");
	if (special == TOK_YES && !t->front.n)
		ids_put(out, &t->bos, 1);
	if (special != TOK_NO)
		ids_put(out, t->front.v, t->front.n);
	s = scratch_take(t);
	rc = t->eng->encode(t, s, text ? text : "", len, out);
	scratch_give(t, s);
	if (rc == 0 && special != TOK_NO)
		ids_put(out, t->back.v, t->back.n);
	return rc;
}

char *tok_decode(const struct tok *t, const int32_t *ids, size_t n, bool skip_special, size_t *len)
{
	struct scratch *s = scratch_take(t);
	struct bytes out = { 0 };
	int rc = t->eng->decode(t, s, ids, n, skip_special, &out);

	scratch_give(t, s);
	if (rc < 0) {
		bytes_free(&out);
		return NULL;
	}
	bytes_need(&out, 1);
	out.p[out.n] = '\0';
	*len = out.n;
	return out.p;
}
