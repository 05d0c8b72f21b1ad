/* The reader.  A bundle is a sequence of members that ends in end.json:
 *
 *	opened:  llmc.json read            next: a member     -> member open
 *	member open: fetched, passed or skipped, always hashed to its last byte before the next header is read
 *	end.json: list compared with what was seen, nothing but zeros after it -> verified
 *	anything else, the end of the file above all -> failed, and stays failed
 *
 * A note (block/NNNN.json) waits in `note` for the tensors that must follow it. */
#include "bundle/bundle.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/tally.h"
#include "bundle/blockio.h"
#include "bundle/feed.h"
#include "bundle/ledger.h"
#include "bundle/members.h"
#include "bundle/pg.h"
#include "bundle/raw.h"
#include "bundle/tarscan.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_JSON = 64 << 20,            /* llmc.json, notes */
	MAX_END = 512 << 20,            /* end.json, with its reports */
	MAX_RUNS = 10000,               /* programs in pg, ledger and report: each is held against each */
	AHEAD = 1 << 20,                /* bytes that a size may claim before any came */
	HASH = 4 << 20,                 /* bytes of a map that hashing brings into memory */
	TAR_END = 1024                  /* the two empty blocks that close a tar */
};

struct bundle_in {
	char *path;                     /* as given, or "standard input" */
	char *name;
	struct feed *feed;
	struct archive *a;
	struct tarscan scan;
	bool feed_failed, feed_ended;
	cJSON *manifest, *end;
	const char *kind;               /* in the manifest */
	struct model *model;
	struct members seen;
	struct sequence seq;
	XXH3_state_t *hash;
	struct member m;
	enum { BEFORE, OPEN, TAKEN, DONE, FAILED } state;
	bool whole;                     /* all of m's bytes were hashed */
	size_t first;                   /* of `seen`: m, or its note */
	uint64_t got, total;            /* bytes of m so far; of all members */
	const void *at;                 /* m's last piece, */
	size_t len;                     /* its length */
	struct {
		struct arena mem;
		char *name;
		void *text;             /* NULL: none waits */
		size_t len;
		cJSON *json;            /* NULL when a block took it */
	} note;
};

static int fail(struct bundle_in *in)
{
	in->state = FAILED;
	return err_at("%s", in->name);
}

static la_ssize_t tar_read(struct archive *a, void *arg, const void **buf)
{
	struct bundle_in *in = arg;
	size_t n = 0;
	int r = feed_read(in->feed, buf, &n);

	if (r > 0 && tarscan_bytes(&in->scan, *buf, n) < 0)
		r = -1;
	if (r < 0) {
		in->feed_failed = true;
		archive_set_error(a, EIO, "%s", err_msg());
		return -1;
	}
	in->feed_ended |= !r;
	return (la_ssize_t)n;
}

/* What went wrong, when libarchive says that something did. */
static int tar_error(struct bundle_in *in, const char *where)
{
	if (in->feed_failed)
		return -1;
	if (in->feed_ended)
		return err_set(ST_BAD, "truncated%s%s%s: no end.json", *where ? " in '" : "", where, *where ? "'" : "");
	return err_set(ST_BAD, "damaged tar: %s", archive_error_string(in->a));
}

/* The next entry of the tar: a plain file with a proper name. */
static int header(struct bundle_in *in)
{
	struct archive_entry *e;
	const char *name;
	int r;

	tally_enter(&tally_read);
	r = archive_read_next_header(in->a, &e);
	tally_leave(&tally_read, 0);
	if (r == ARCHIVE_EOF && !in->feed_failed)
		return err_set(ST_BAD, "truncated: no end.json");
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return tar_error(in, "");
	name = archive_entry_pathname(e);
	if (r == ARCHIVE_WARN || !name)
		return err_set(ST_BAD, "a member without a proper name");
	if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) || archive_entry_symlink(e) ||
	    archive_entry_sparse_count(e) || !archive_entry_size_is_set(e) || archive_entry_size(e) < 0)
		return err_set(ST_BAD, "member '%.200s' is not a plain file", name);
	if (members_add(&in->seen, name) < 0)
		return -1;
	memset(&in->m, 0, sizeof(in->m));
	in->m.name = in->seen.e[in->seen.n - 1].name;
	in->m.size = (uint64_t)archive_entry_size(e);
	in->got = 0;
	in->len = 0;
	in->whole = false;
	XXH3_64bits_reset(in->hash);
	return 0;
}

/* Pages of a map that were only hashed do not stay: a block is larger than what is used of it at a time. */
static void hash(struct bundle_in *in, const char *p, size_t n)
{
	for (size_t k; n; p += k, n -= k) {
		k = n < HASH ? n : HASH;
		XXH3_64bits_update(in->hash, p, k);
		feed_release(in->feed, p, k);
	}
}

/* As bundle_raw, without the frame around it. */
static int piece(struct bundle_in *in, const void **buf, size_t *n)
{
	struct entry *e = &in->seen.e[in->seen.n - 1];
	la_int64_t off;
	int r;

	tally_enter(&tally_read);
	do
		r = archive_read_data_block(in->a, buf, n, &off);
	while (r == ARCHIVE_OK && !*n);
	tally_leave(&tally_read, 0);
	if (r == ARCHIVE_EOF) {
		if (in->got != in->m.size)
			return tar_error(in, in->m.name);
		e->size = in->got;
		e->xxh3 = XXH3_64bits_digest(in->hash);
		in->whole = true;
		return 0;
	}
	if (r != ARCHIVE_OK)
		return tar_error(in, in->m.name);
	if ((uint64_t)off != in->got || *n > in->m.size - in->got)
		return err_set(ST_BAD, "member '%s' has holes", in->m.name);
	tally_enter(&tally_read);
	hash(in, *buf, *n);             /* the first to touch what is mapped */
	tally_leave(&tally_read, (double)*n);
	in->at = *buf;
	in->len = *n;
	in->got += *n;
	in->total += *n;
	return 1;
}

/* The rest of the member, into its digest only. */
static int drain(struct bundle_in *in)
{
	const void *p;
	size_t n;
	int r = 1;

	while (!in->whole && r > 0)
		r = piece(in, &p, &n);
	return r < 0 ? -1 : 0;
}

/* The member's bytes: in the map where there is one, else in the arena.  Memory grows with what arrived. */
static int slurp(struct bundle_in *in, struct arena *mem, uint64_t max, void **buf, size_t *len)
{
	uint64_t ahead = in->total > AHEAD ? in->total : AHEAD;
	char *grown = NULL, *to = NULL;
	const void *p;
	size_t n, cap = 0;
	uint64_t at = 0;
	int r;

	if (in->m.size > max)
		return err_set(ST_BAD, "member '%s' of %llu bytes; %llu are allowed", in->m.name,
		               (unsigned long long)in->m.size, (unsigned long long)max);
	while ((r = piece(in, &p, &n)) > 0) {
		if (!at && n == in->m.size && feed_mapped(in->feed)) {
			memcpy(&to, &p, sizeof(to));    /* the map is ours to write */
			at = n;
			continue;
		}
		if (!at && in->m.size <= ahead)
			to = arena_alloc(mem, (size_t)in->m.size);
		else if (!to)
			grown = xgrow(grown, at + n, &cap, 1);
		memcpy((to ? to : grown) + at, p, n);
		at += n;
	}
	if (r < 0)
		free(grown);
	else if (!to)
		to = at ? arena_adopt(mem, grown, at) : arena_alloc(mem, 0);
	*buf = to;
	*len = at;
	return r;
}

static cJSON *json_member(struct bundle_in *in, struct arena *mem, uint64_t max, void **text, size_t *len)
{
	cJSON *v;

	if (slurp(in, mem, max, text, len) < 0)
		return NULL;
	v = json_parse(*text, *len, in->m.name);
	if (v && !cJSON_IsObject(v)) {
		err_set(ST_BAD, "'%s' is not an object", in->m.name);
		cJSON_Delete(v);
		return NULL;
	}
	return v;
}

static void drop_note(struct bundle_in *in)
{
	cJSON_Delete(in->note.json);
	arena_free(&in->note.mem);
	memset(&in->note, 0, sizeof(in->note));
}

static int read_note(struct bundle_in *in)
{
	in->note.name = arena_strdup(&in->note.mem, in->m.name);
	in->note.json = json_member(in, &in->note.mem, MAX_JSON, &in->note.text, &in->note.len);
	return in->note.json ? 0 : -1;
}

/* "llmc", "requires", "pg": may we read on? */
static int check_manifest(const cJSON *man)
{
	const cJSON *req = cJSON_GetObjectItemCaseSensitive(man, "requires"), *v;
	const cJSON *pg = cJSON_GetObjectItemCaseSensitive(man, "pg");
	int64_t version = 0;
	const char *s;
	int r = json_int(man, "llmc", 1, INT32_MAX, &version);

	if (r <= 0)
		return r < 0 ? err_at("llmc.json") : err_set(ST_BAD, "llmc.json: 'llmc' is missing");
	if (version > BUNDLE_VERSION)
		return err_set(ST_UNSUP, "a bundle of version %lld; this program reads up to %d", (long long)version,
		               BUNDLE_VERSION);
	if (req && !cJSON_IsArray(req))
		return err_set(ST_BAD, "llmc.json: 'requires' is not a list");
	cJSON_ArrayForEach(v, req)
		if (!cJSON_IsString(v) || (strcmp(v->valuestring, "carried") && strcmp(v->valuestring, "roles") &&
		                           strcmp(v->valuestring, "tensors") && !model_knows(v->valuestring)))
			return err_set(ST_UNSUP, "the bundle requires '%.80s', which this program lacks",
			               cJSON_IsString(v) ? v->valuestring : "?");
	if (pg && (!cJSON_IsArray(pg) || cJSON_GetArraySize(pg) > MAX_RUNS))
		return err_set(ST_BAD, "llmc.json: 'pg' is not a list of at most %d records", MAX_RUNS);
	cJSON_ArrayForEach(v, pg)
		if (!cJSON_IsObject(v) || json_str(v, "id", &s) <= 0 || json_str(v, "tool", &s) <= 0)
			return err_set(ST_BAD, "llmc.json: a record of 'pg' without 'id' or 'tool'");
	return json_str(man, "kind", &s) > 0 ? 0 : err_set(ST_BAD, "llmc.json: no proper 'kind'");
}

static int read_manifest(struct bundle_in *in)
{
	struct arena mem = { 0 };
	const char *tool;
	void *text;
	size_t len;

	if (header(in) < 0)
		return in->feed_ended ? err_set(ST_BAD, "not a bundle, or truncated") : -1;
	if (strcmp(in->m.name, "llmc.json"))
		return err_set(ST_BAD, "not a bundle: its first member is '%s'", in->m.name);
	in->manifest = json_member(in, &mem, MAX_JSON, &text, &len);
	arena_free(&mem);
	if (!in->manifest || check_manifest(in->manifest) < 0)
		return -1;
	json_str(in->manifest, "kind", &in->kind);
	tool = pg_last_tool(in->manifest);
	if (tool && !strcmp(in->path, "standard input")) {
		free(in->name);
		in->name = xasprintf("%s (from %.64s)", in->path, tool);
	}
	if (strcmp(in->kind, "model"))
		return 0;
	in->model = xmalloc(sizeof(*in->model));
	if (model_parse(in->model, cJSON_GetObjectItemCaseSensitive(in->manifest, "model")) < 0)
		return -1;
	return sequence_init(&in->seq, in->manifest, in->model);
}

struct bundle_in *bundle_open(const char *path)
{
	struct bundle_in *in = xcalloc(1, sizeof(*in));

	in->path = xstrdup(path && strcmp(path, "-") ? path : "standard input");
	in->name = xstrdup(in->path);
	in->hash = XXH3_createState();
	in->a = archive_read_new();
	if (!in->hash || !in->a)
		die(ST_FAIL, "out of memory");
	archive_read_support_format_tar(in->a);
	in->feed = feed_open(path);
	if (in->feed) {
		if (archive_read_open(in->a, in, NULL, tar_read, NULL) != ARCHIVE_OK)
			tar_error(in, "");
		else if (!read_manifest(in))
			return in;
	}
	fail(in);
	bundle_close(in);
	return NULL;
}

const char *bundle_name(const struct bundle_in *in)
{
	return in->name;
}

bool bundle_mapped(const struct bundle_in *in)
{
	return feed_mapped(in->feed);
}

const char *bundle_kind(const struct bundle_in *in)
{
	return in->kind;
}

const cJSON *bundle_manifest(const struct bundle_in *in)
{
	return in->manifest;
}

const struct model *bundle_model(const struct bundle_in *in)
{
	return in->model;
}

/* Tensors of the blocks that are there, by the model; a weight counts once, quantized or not. */
static int64_t tensors(const struct bundle_in *in)
{
	int64_t n = 0;

	for (int i = 0; i < in->seq.n; i++) {
		struct want w = WANT_FIRST;

		while (model_wants(in->model, in->seq.index[i], &w))
			n++;
	}
	return n;
}

static int check_books(const struct bundle_in *in)
{
	const cJSON *ledger = cJSON_GetObjectItemCaseSensitive(in->end, "ledger");
	const cJSON *report = cJSON_GetObjectItemCaseSensitive(in->end, "report");
	int64_t out = -1;

	if (report && (!cJSON_IsObject(report) || cJSON_GetArraySize(report) > MAX_RUNS))
		return err_set(ST_BAD, "end.json: 'report' is not an object of at most %d programs", MAX_RUNS);
	if (cJSON_GetArraySize(ledger) > MAX_RUNS)
		return err_set(ST_BAD, "ledger: more than %d stages", MAX_RUNS);
	if (ledger && ledger_check(ledger, &out) < 0)
		return -1;
	if (in->model && out != tensors(in))
		return out < 0 ? err_set(ST_BAD, "end.json: no ledger") :
		       err_set(ST_BAD, "ledger: %lld tensors were handed on, the blocks have %lld", (long long)out,
		               (long long)tensors(in));
	return 0;
}

/* The trailer is the last thing, and it agrees with what came before it. */
static int finish(struct bundle_in *in)
{
	struct arena mem = { 0 };
	struct entry *e = &in->seen.e[in->seen.n - 1];
	uint64_t zeros;
	void *text;
	size_t len;
	int r;

	in->end = json_member(in, &mem, MAX_END, &text, &len);
	arena_free(&mem);
	if (!in->end)
		return -1;
	free(e->name);                  /* the list does not list itself */
	in->seen.n--;
	in->m.name = "end.json";
	if (members_check(&in->seen, cJSON_GetObjectItemCaseSensitive(in->end, "members")) < 0)
		return -1;
	if (in->model && sequence_end(&in->seq) < 0)
		return -1;
	if (check_books(in) < 0)
		return -1;
	r = feed_zeros(in->feed, (uint64_t)archive_filter_bytes(in->a, -1), &zeros);
	if (r == 0)
		return err_set(ST_BAD, "something after end.json");
	if (r > 0 && zeros < TAR_END)
		return err_set(ST_BAD, "truncated after end.json");
	return r < 0 ? -1 : feed_unchanged(in->feed);
}

/* 1: the member is for the caller; 0: it was a note, read on; -1. */
static int classify(struct bundle_in *in)
{
	struct member *m = &in->m;
	const char *dot = strrchr(m->name, '.');
	struct block b = { 0 };
	char want[40];

	switch (in->model ? member_block(m->name, &m->blk, &m->index, &m->piece) : NAME_OTHER) {
	case NAME_NOTE:
		if (in->note.text)
			break;
		return read_note(in);
	case NAME_BLOCK:
		b.kind = m->blk;
		b.index = m->index;
		b.piece = m->piece;
		if (!in->note.text && m->blk == BLK_KIND_DENSE)
			return err_set(ST_BAD, "'%s' without its note", m->name);
		strcat(strcpy(want, block_member(&b, (char[32]){ 0 })), ".json");
		if (in->note.text && strcmp(want, in->note.name))
			break;
		m->kind = M_BLOCK;
		return sequence_next(&in->seq, m->index, m->piece) < 0 ? -1 : 1;
	case NAME_OTHER:
		if (in->note.text)
			break;
		m->kind = !in->model && dot && !strcmp(dot, ".safetensors") ? M_TENSORS : M_OPAQUE;
		return 1;
	}
	return err_set(ST_BAD, "'%s' is not followed by its tensors", in->note.name);
}

int bundle_next(struct bundle_in *in, struct member *m)
{
	int r = 0;

	if (in->state == DONE)
		return 0;
	if (in->state == FAILED)
		return err_set(ST_BAD, "%s: failed before", in->name);
	if (in->state != BEFORE) {
		if (drain(in) < 0)
			return fail(in);
		if (in->len)
			feed_release(in->feed, in->at, in->len);
		drop_note(in);
	}
	in->first = in->seen.n;
	while (r == 0) {
		if (header(in) < 0)
			return fail(in);
		if (!strcmp(in->m.name, "end.json")) {
			if (in->note.text)
				r = err_set(ST_BAD, "'%s' is not followed by its tensors", in->note.name);
			else
				r = finish(in);
			if (r < 0)
				return fail(in);
			in->state = DONE;
			return 0;
		}
		r = classify(in);
	}
	if (r < 0)
		return fail(in);
	in->state = OPEN;
	*m = in->m;
	return 1;
}

/* The member of bundle_next is there to be taken, once. */
static int take(struct bundle_in *in, bool block)
{
	if (in->state != OPEN || (in->m.kind == M_BLOCK) != block)
		return err_set(ST_FAIL, "%s: no such member to be read", in->name);
	in->state = TAKEN;
	return 0;
}

int bundle_get_block(struct bundle_in *in, struct block *b)
{
	char label[32];
	cJSON *note;
	void *buf;
	size_t len;

	if (take(in, true) < 0)
		return -1;
	block_init(b, in->m.index, in->m.blk, 0);
	b->piece = in->m.piece;
	note = in->note.json;
	in->note.json = NULL;
	if (slurp(in, &b->mem, UINT64_MAX, &buf, &len) < 0)
		cJSON_Delete(note);
	else if (block_decode(b, in->model, note, buf, len) < 0)
		err_at("%s", block_label(b, label));
	else
		return 0;
	block_free(b);
	return fail(in);
}

int bundle_get_bytes(struct bundle_in *in, struct arena *mem, uint64_t max, void **buf, size_t *len)
{
	if (take(in, false) < 0)
		return -1;
	return slurp(in, mem, max, buf, len) < 0 ? fail(in) : 0;
}

const struct member *bundle_current(const struct bundle_in *in)
{
	return in->state == OPEN ? &in->m : NULL;
}

const char *bundle_note_text(const struct bundle_in *in, const char **name, size_t *len)
{
	*name = in->note.name;
	*len = in->note.len;
	return in->note.text;
}

int bundle_raw(struct bundle_in *in, const void **buf, size_t *n)
{
	int r;

	if (in->state == OPEN)
		in->state = TAKEN;
	if (in->state != TAKEN)
		return err_set(ST_FAIL, "%s: no such member to be read", in->name);
	if (in->whole)
		return 0;
	r = piece(in, buf, n);
	return r < 0 ? fail(in) : r;
}

int bundle_sum(struct bundle_in *in, uint64_t *sum)
{
	if (drain(in) < 0)
		return fail(in);
	*sum = members_digest(&in->seen, in->first);
	return 0;
}

const cJSON *bundle_end(const struct bundle_in *in)
{
	return in->state == DONE ? in->end : NULL;
}

cJSON *bundle_report(const struct bundle_in *in)
{
	const cJSON *report = cJSON_GetObjectItemCaseSensitive(bundle_end(in), "report");

	return cJSON_IsObject(report) ? cJSON_Duplicate(report, 1) : NULL;
}

uint64_t bundle_digest(const struct bundle_in *in)
{
	return in->state == DONE ? members_digest(&in->seen, 0) : 0;
}

void bundle_close(struct bundle_in *in)
{
	archive_read_free(in->a);
	if (in->feed)
		feed_close(in->feed);
	drop_note(in);
	tarscan_free(&in->scan);
	XXH3_freeState(in->hash);
	members_free(&in->seen);
	sequence_free(&in->seq);
	cJSON_Delete(in->manifest);
	cJSON_Delete(in->end);
	free(in->model);
	free(in->name);
	free(in->path);
	free(in);
}
