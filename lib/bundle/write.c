/* The writer: members out in the order they come, hashed as they go, end.json last.  A pipe and a file get
 * the same bytes: no blocking, no times, no owners. */
#include "bundle/bundle.h"

#include "base/err.h"
#include "base/journal.h"
#include "base/mem.h"
#include "base/out.h"
#include "base/tally.h"
#include "bundle/blockio.h"
#include "bundle/members.h"
#include "bundle/raw.h"
#include "tensor/safetensors.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 20 };

struct bundle_out {
	struct out *out;
	struct archive *a;
	struct members done;
	struct sequence seq;            /* of a model */
	bool model, failed;             /* failed: nothing more is handed to `out` */
	XXH3_state_t *hash;
	uint64_t left;                  /* bytes that the open member still wants */
	cJSON *carry;                   /* keys of an upstream end.json */
	struct journal *journal;        /* --resume, or NULL; borrowed from out */
	int redone;                     /* steps of it taken over */
	bool redoing;                   /* one was, and not all yet */
	size_t stepped;                 /* members of `done` that steps account for */
	struct bundle_in *old;          /* what was written then, being read, when its blocks are wanted */
	int read;                       /* steps of it read */
};

static la_ssize_t tar_write(struct archive *a, void *arg, const void *buf, size_t n)
{
	struct bundle_out *o = arg;

	if (o->failed || out_try_write(o->out, buf, n) < 0) {
		o->failed = true;
		archive_set_error(a, EIO, "write");
		return -1;
	}
	return (la_ssize_t)n;
}

static int tar_error(struct bundle_out *o)
{
	if (!o->failed)
		err_set(ST_FAIL, "cannot write '%s': %s", out_name(o->out), archive_error_string(o->a));
	o->failed = true;
	return -1;
}

/* A member of `size` bytes, which put() then brings. */
static int begin(struct bundle_out *o, const char *name, uint64_t size)
{
	struct archive_entry *e;
	int r;

	if (members_add(&o->done, name) < 0)
		return -1;
	e = archive_entry_new();
	if (!e)
		die(ST_FAIL, "out of memory");
	archive_entry_set_pathname(e, name);
	archive_entry_set_size(e, (la_int64_t)size);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_mtime(e, 0, 0);
	archive_entry_set_uid(e, 0);
	archive_entry_set_gid(e, 0);
	r = archive_write_header(o->a, e);
	archive_entry_free(e);
	if (r != ARCHIVE_OK)
		return tar_error(o);
	XXH3_64bits_reset(o->hash);
	o->left = size;
	return 0;
}

static int put(struct bundle_out *o, const void *buf, size_t n)
{
	const char *p = buf;

	if (n > o->left)
		return err_set(ST_FAIL, "member '%s' is longer than announced", o->done.e[o->done.n - 1].name);
	o->left -= n;
	tally_enter(&tally_write);
	while (n) {
		size_t m = n < PIECE ? n : PIECE;
		la_ssize_t k = archive_write_data(o->a, p, m);

		if (k <= 0) {
			tally_leave(&tally_write, 0);
			return tar_error(o);
		}
		XXH3_64bits_update(o->hash, p, (size_t)k);
		p += k;
		n -= (size_t)k;
	}
	tally_leave(&tally_write, 0);           /* the bytes are counted where they are written */
	return 0;
}

static int end(struct bundle_out *o, uint64_t size)
{
	struct entry *e = &o->done.e[o->done.n - 1];

	if (o->left)
		return err_set(ST_FAIL, "member '%s' is shorter than announced", e->name);
	e->size = size;
	e->xxh3 = XXH3_64bits_digest(o->hash);
	return archive_write_finish_entry(o->a) == ARCHIVE_OK ? 0 : tar_error(o);
}

int bundle_put(struct bundle_out *o, const char *name, const void *buf, size_t len)
{
	return begin(o, name, len) < 0 || put(o, buf, len) < 0 || end(o, len) < 0 ? -1 : 0;
}

/* With a newline at its end; malloc'd. */
static char *json_line(const cJSON *v, size_t *n)
{
	char *text = json_text(v, false);

	*n = strlen(text);
	text = xrealloc(text, *n + 2);
	memcpy(text + *n, "\n", 2);
	++*n;
	return text;
}

static int put_json(struct bundle_out *o, const char *name, const cJSON *v)
{
	size_t n;
	char *text = json_line(v, &n);
	int r = bundle_put(o, name, text, n);

	free(text);
	return r;
}

/* "llmc" first, whatever was there; "requires" as it must be; the rest as it stands. */
static cJSON *versioned(cJSON *manifest)
{
	cJSON *m = json_obj(), *v;

	json_put_num(m, "llmc", BUNDLE_VERSION);
	while ((v = manifest->child)) {
		cJSON_DetachItemViaPointer(manifest, v);
		if (strcmp(v->string, "llmc"))
			json_add(m, v->string, v);
		else
			cJSON_Delete(v);
	}
	cJSON_Delete(manifest);
	model_requires(m);
	return m;
}

static int order(struct bundle_out *o, const cJSON *manifest)
{
	const char *kind = "";
	struct model *m;
	int r;

	if (json_str(manifest, "kind", &kind) <= 0)
		return err_set(ST_FAIL, "a manifest without 'kind'");
	o->model = !strcmp(kind, "model");
	if (!o->model)
		return 0;
	m = xmalloc(sizeof(*m));
	r = model_parse(m, cJSON_GetObjectItemCaseSensitive(manifest, "model"));
	if (r == 0)
		r = sequence_init(&o->seq, manifest, m);
	free(m);
	return r;
}

/* The run that was stopped began with the same: the key of the run should say so already. */
static int redo_manifest(struct bundle_out *o, const cJSON *manifest)
{
	size_t n;
	char *text = json_line(manifest, &n);
	XXH64_hash_t sum = XXH3_64bits(text, n);

	free(text);
	if (bundle_redo(o, NULL, NULL) < 0)
		return -1;
	if (strcmp(o->done.e[0].name, "llmc.json") || o->done.n > 1 || o->done.e[0].xxh3 != sum)
		return err_set(ST_BAD, "cannot resume '%s': the manifest differs", out_name(o->out));
	return 0;
}

static struct bundle_out *start(struct out *out, cJSON *manifest)
{
	struct bundle_out *o = xcalloc(1, sizeof(*o));
	int r;

	manifest = versioned(manifest);
	o->out = out;
	o->journal = out_journal(out);
	o->hash = XXH3_createState();
	o->a = archive_write_new();
	o->carry = json_obj();
	if (!o->hash || !o->a)
		die(ST_FAIL, "out of memory");
	archive_write_set_format_pax_restricted(o->a);
	archive_write_set_bytes_per_block(o->a, 0);
	archive_write_set_bytes_in_last_block(o->a, 1);
	if (archive_write_open(o->a, o, NULL, tar_write, NULL) != ARCHIVE_OK)
		die(ST_FAIL, "cannot write '%s': %s", out_name(o->out), archive_error_string(o->a));
	r = order(o, manifest);
	if (r == 0 && o->journal && journal_steps(o->journal))
		r = redo_manifest(o, manifest);
	else if (r == 0) {
		r = put_json(o, "llmc.json", manifest);
		/* what is far down a pipe learns at once what is coming */
		if (r == 0)
			r = out_flush(o->out);
		if (r == 0)
			bundle_step(o, json_obj());
	}
	cJSON_Delete(manifest);
	if (r == 0)
		return o;
	bundle_abort(o);
	return NULL;
}

struct bundle_out *bundle_create(const char *path, cJSON *manifest)
{
	return start(out_open(path, true), manifest);
}

struct bundle_out *bundle_resume(const char *path, cJSON *manifest, cJSON *key)
{
	return start(out_resume(path, key), manifest);
}

void bundle_step(struct bundle_out *o, cJSON *step)
{
	if (!o->journal) {
		cJSON_Delete(step);
		return;
	}
	json_put(step, "members", members_json(&o->done, o->stepped));
	o->stepped = o->done.n;
	o->redone++;
	out_step(o->out, step);
}

/* The block that step `redone` wrote. */
static int reread(struct bundle_out *o, struct block *b)
{
	struct member m;

	if (!o->old && !(o->old = bundle_open(out_part(o->out))))
		return -1;
	for (; o->read < o->redone; o->read++)          /* opening it read the first step, the manifest */
		if (bundle_next(o->old, &m) <= 0)
			return -1;
	return bundle_get_block(o->old, b);
}

int bundle_redo(struct bundle_out *o, const cJSON **step, struct block *b)
{
	enum blk_kind kind;
	const cJSON *s;
	int index, piece;

	if (!o->journal || o->redone == journal_steps(o->journal)) {
		if (o->redoing && o->seq.at)
			say(0, "'%s': %d of %d blocks are there already", out_name(o->out), o->seq.at, o->seq.n);
		o->redoing = false;
		if (o->old)
			bundle_close(o->old);
		o->old = NULL;
		return 0;
	}
	o->redoing = true;
	s = journal_step(o->journal, o->redone);
	if (members_take(&o->done, cJSON_GetObjectItemCaseSensitive(s, "members")) < 0 || o->done.n == o->stepped)
		return err_at("journal of '%s'", out_name(o->out));
	o->stepped = o->done.n;
	if (o->model && member_block(o->done.e[o->done.n - 1].name, &kind, &index, &piece) == NAME_BLOCK &&
	    sequence_next(&o->seq, index, piece) < 0)
		return -1;
	if (step)
		*step = s;
	if (b && reread(o, b) < 0)
		return -1;
	o->redone++;
	return 1;
}

int bundle_put_tensors(struct bundle_out *o, const char *name, const struct tensor *t, int n, const cJSON *meta)
{
	int *at = xmalloc(((size_t)n + 1) * sizeof(*at)), r;
	size_t len;
	void *head = st_header(t, n, meta, at, &len);
	uint64_t size = len;

	for (int i = 0; i < n; i++)
		size += tensor_bytes(&t[i]);
	r = begin(o, name, size);
	if (r == 0)
		r = put(o, head, len);
	for (int i = 0; i < n && r == 0; i++)
		r = put(o, t[at[i]].data, tensor_bytes(&t[at[i]]));
	if (r == 0)
		r = end(o, size);
	free(head);
	free(at);
	return r < 0 ? -1 : out_flush(o->out);
}

int bundle_put_block(struct bundle_out *o, const struct block *b)
{
	struct arena mem = { 0 };
	char base[32], name[64];
	cJSON *note = block_note(b);
	int n, r = sequence_next(&o->seq, b->index, b->piece);
	const struct tensor *t = block_encode(b, &mem, &n);

	block_member(b, base);
	snprintf(name, sizeof(name), "%s.json", base);
	if (note && r == 0)
		r = put_json(o, name, note);
	snprintf(name, sizeof(name), "%s.safetensors", base);
	if (r == 0)
		r = bundle_put_tensors(o, name, t, n, NULL);
	cJSON_Delete(note);
	arena_free(&mem);
	return r;
}

int bundle_pass(struct bundle_out *o, struct bundle_in *in)
{
	const struct member *m = bundle_current(in);
	const char *name, *text;
	const void *p;
	size_t n;
	uint64_t size;
	int r = 0;

	if (!m)
		return err_set(ST_FAIL, "%s: nothing to pass on", bundle_name(in));
	size = m->size;
	if (m->kind == M_BLOCK) {
		if (sequence_next(&o->seq, m->index, m->piece) < 0)
			return -1;
		text = bundle_note_text(in, &name, &n);
		if (text && bundle_put(o, name, text, n) < 0)
			return -1;
	}
	if (begin(o, m->name, size) < 0)
		return -1;
	while ((r = bundle_raw(in, &p, &n)) > 0)
		if (put(o, p, n) < 0)
			return -1;
	return r < 0 || end(o, size) < 0 ? -1 : out_flush(o->out);
}

void bundle_carry(struct bundle_out *o, const cJSON *upstream)
{
	void (*put_key)(cJSON *, const char *, cJSON *) = o->carry->child ? json_put : json_add;
	const cJSON *v;

	cJSON_ArrayForEach(v, upstream)
		if (strcmp(v->string, "members") && strcmp(v->string, "ledger") && strcmp(v->string, "report"))
			put_key(o->carry, v->string, cJSON_Duplicate(v, 1));
}

static void out_free(struct bundle_out *o)
{
	if (o->old)
		bundle_close(o->old);
	archive_write_free(o->a);
	members_free(&o->done);
	sequence_free(&o->seq);
	XXH3_freeState(o->hash);
	cJSON_Delete(o->carry);
	free(o);
}

int bundle_finish(struct bundle_out *o, cJSON *ledger, cJSON *report)
{
	cJSON *trailer = json_obj(), *v;
	int r = o->model ? sequence_end(&o->seq) : 0;

	if (r == 0 && bundle_redo(o, NULL, NULL))
		r = err_set(ST_BAD, "the input ends before what the run that was stopped read: the model differs");
	json_put(trailer, "members", members_json(&o->done, 0));
	if (ledger)
		json_put(trailer, "ledger", ledger);
	if (report)
		json_put(trailer, "report", report);
	while ((v = o->carry->child)) {
		cJSON_DetachItemViaPointer(o->carry, v);
		json_add(trailer, v->string, v);
	}
	if (r == 0)
		r = put_json(o, "end.json", trailer);
	cJSON_Delete(trailer);
	if (r == 0 && archive_write_close(o->a) != ARCHIVE_OK)
		r = tar_error(o);
	if (r < 0) {
		bundle_abort(o);
		return -1;
	}
	out_commit(o->out);
	out_free(o);
	return 0;
}

void bundle_abort(struct bundle_out *o)
{
	o->failed = true;               /* closing the archive must not look like an end */
	archive_write_fail(o->a);
	if (o->journal && journal_steps(o->journal) == 1)
		journal_cut(o->journal, 0);     /* a manifest alone is not worth keeping */
	out_abort(o->out);
	out_free(o);
}
