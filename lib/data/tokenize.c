#include "data/tokenize.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/out.h"
#include "base/progress.h"
#include "base/tally.h"
#include "data/chat.h"
#include "data/jinja.h"
#include "data/textin.h"
#include "data/tokens.h"
#include "op/meter.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct opts {
	const char *model, *field, *from_ids, *to_ids, *date;
	struct strlist set;
	int64_t seqlen, samples;
	int special;                    /* enum tok_special */
	bool chat, print_ids, decode, skip_special;
};
#define AT(f) offsetof(struct opts, f)

static const struct opt rows[] = {
	{ .name = "model", .letter = 'm', .type = O_FILE, .off = AT(model), .arg = "MODEL",
	  .help = "the tokenizer: a bundle, a model directory or a tokenizer file" },
	{ .name = "seqlen", .type = O_INT, .off = AT(seqlen), .arg = "T", .min = 0, .max = 1 << 30,
	  .help = "tokens in a row; 0: 2048, or as many as the rows of --from-ids have" },
	{ .name = "samples", .type = O_INT, .off = AT(samples), .arg = "N", .min = 0, .max = 1 << 30,
	  .help = "rows; 0: as many full ones as there are" },
	{ .name = "add-special", .type = O_ENUM, .off = AT(special), .words = "auto|yes|no", .def = "auto",
	  .help = "tokens that begin and end a text: as the tokenizer does by itself, at least the one that begins "
	          "it, none" },
	{ .name = "field", .type = O_STR, .off = AT(field), .arg = "NAME",
	  .help = "input is jsonl: the text is this field of each line; for files named .jsonl: text; with --chat: "
	          "messages" },
	{ .name = "chat", .type = O_FLAG, .off = AT(chat),
	  .help = "input is jsonl, each line a conversation: its text is what the model's chat template makes of it" },
	{ .name = "chat-set", .type = O_LIST, .off = AT(set), .arg = "NAME=VALUE",
	  .help = "a variable for the chat template, JSON or else text: add_generation_prompt=true" },
	{ .name = "chat-date", .type = O_STR, .off = AT(date), .arg = "YYYY-MM-DD",
	  .help = "the day for a chat template that asks for it" },
	{ .name = "print-ids", .type = O_FLAG, .off = AT(print_ids), .flags = OPT_QUIET,
	  .help = "write the ids of the whole input as text, on one line" },
	{ .name = "decode", .letter = 'd', .type = O_FLAG, .off = AT(decode), .flags = OPT_QUIET,
	  .help = "ids, as --print-ids writes them or from --from-ids, to text" },
	{ .name = "skip-special", .type = O_FLAG, .off = AT(skip_special), .flags = OPT_QUIET,
	  .help = "with --decode: special tokens leave no text" },
	{ .name = "from-ids", .type = O_FILE, .off = AT(from_ids), .arg = "FILE",
	  .help = "the rows of a safetensors file or token bundle instead of text" },
	{ .name = "to-ids", .type = O_FILE, .off = AT(to_ids), .arg = "FILE", .flags = OPT_QUIET,
	  .help = "write the rows as safetensors, tensor 'input_ids'; no bundle unless -o asks for one" },
	{ .type = O_END }
};

static const struct opt_tool tool = {
	.name = "llmc-tokenize", .usage = "-m MODEL [options] [FILE...]",
	.about = "Turns text into rows of token ids, with the model's own tokenizer.",
	.groups = OPT_IO | OPT_TALK, .own = rows,
};

/* One run. */
struct job {
	struct opts o;
	struct tok *tok;
	struct chat *chat;              /* with --chat */
	struct bytes text;              /* of a conversation */
	struct ids ids;                 /* of the whole input */
	XXH3_state_t *hash;             /* over the bytes read */
	uint64_t nbytes;
};

static void count(void *arg, const void *p, size_t n)
{
	struct job *j = arg;

	XXH3_64bits_update(j->hash, p, n);
	j->nbytes += n;
}

enum { MEGA = 1000000 };

static void encode(struct job *j, const char *s, size_t n)
{
	enum tok_special special = j->chat ? TOK_NO : (enum tok_special)j->o.special;
	static struct tally encoding = { .name = "encoding" };

	tally_enter(&encoding);
	if (tok_encode(j->tok, s, n, special, &j->ids) < 0)
		die_err();
	tally_leave(&encoding, (double)n);
}

/* The text of a line of jsonl, encoded by itself. */
static int encode_line(struct job *j, const struct jnode *v, const char *field)
{
	const struct jnode *text;
	int rc;

	if (j->chat) {
		j->text.n = 0;
		if (chat_render(j->chat, v, field, &j->text) < 0)
			return -1;
		encode(j, j->text.p, j->text.n);
		return 0;
	}
	rc = jt_str(v, field, &text);
	if (rc <= 0)
		return rc < 0 ? -1 : err_set(ST_BAD, "no field '%s'", field);
	encode(j, text->str, text->len);
	return 0;
}

static void encode_lines(struct job *j, const char *path, const char *field, const struct bytes *b)
{
	size_t line = 0;

	progress_begin("megabyte", (int64_t)(b->n / MEGA));
	for (size_t at = 0, end; at < b->n; at = end + 1) {
		const char *nl = memchr(b->p + at, '\n', b->n - at);
		struct jtree t;

		progress_at((int64_t)(at / MEGA));
		end = nl ? (size_t)(nl - b->p) : b->n;
		line++;
		if (strspn(b->p + at, " \t\r") >= end - at)     /* the buffer ends in a NUL */
			continue;
		if (jtree_parse(&t, b->p + at, end - at, "jsonl") < 0 || encode_line(j, t.v, field) < 0) {
			err_at("%s: line %zu", path, line);
			die_err();
		}
		jtree_free(&t);
	}
	progress_end();
}

/* Text files are one text, in the order given; jsonl is as many as it has lines. */
static void read_input(struct job *j, int n, char **path)
{
	static char *none[] = { NULL };
	struct bytes all = { 0 };
	bool lines = false;
	const char *field = j->o.field ? j->o.field : j->o.chat ? "messages" : "text";

	if (!n) {
		path = none;
		n = 1;
	}
	for (int i = 0; i < n; i++) {
		bool jsonl = j->o.chat || j->o.field || (path[i] && textin_ends(path[i], ".jsonl"));
		struct bytes b = { 0 };

		if (textin_read(path[i], jsonl ? &b : &all, count, j) < 0)
			die_err();
		if (jsonl)
			encode_lines(j, path[i] ? path[i] : "standard input", field, &b);
		lines |= jsonl;
		bytes_free(&b);
	}
	if (lines && all.n)
		die(ST_USAGE, "text and jsonl in one run");
	if (!lines) {
		progress_begin("megabyte", (int64_t)(all.n / MEGA));
		encode(j, all.p, all.n);
		progress_end();
	}
	bytes_free(&all);
}

static void print_ids(const struct job *j)
{
	struct out *out = out_open(common.output, false);
	char text[16];

	for (size_t i = 0; i < j->ids.n; i++) {
		unsigned v = (unsigned)j->ids.v[i];
		size_t at = sizeof(text);

		text[--at] = i + 1 < j->ids.n ? ' ' : '\n';
		do
			text[--at] = (char)('0' + v % 10);
		while (v /= 10);
		out_write(out, text + at, sizeof(text) - at);
	}
	if (!j->ids.n)
		out_write(out, "\n", 1);
	out_commit(out);
}

static void put_text(const struct job *j, struct out *out, const int32_t *ids, size_t n)
{
	size_t len;
	char *s;

	for (size_t i = 0; i < n; i++)
		if (ids[i] < 0 || ids[i] >= tok_size(j->tok))
			die(ST_BAD, "token id %d is outside the vocabulary of %lld", ids[i], (long long)tok_size(j->tok));
	s = tok_decode(j->tok, ids, n, j->o.skip_special, &len);
	if (!s)
		die_err();
	out_write(out, s, len);
	free(s);
}

/* Decimal numbers between anything else that is white space or a comma. */
static void decode_input(struct job *j, int n, char **path)
{
	struct out *out;

	for (int i = 0; i < (n ? n : 1); i++) {
		struct bytes b = { 0 };
		char *p, *end;

		if (textin_read(n ? path[i] : NULL, &b, NULL, NULL) < 0)
			die_err();
		for (p = b.p; *(p += strspn(p, " \t\r\n,")); p = end) {
			long long v = strtoll(p, &end, 10);
			int32_t id = (int32_t)v;

			if (end == p || v < 0 || v > INT32_MAX || (*end && !strchr(" \t\r\n,", *end)))
				die(ST_BAD, "'%.*s' is no token id", (int)strcspn(p, " \t\r\n,") & 63, p);
			ids_put(&j->ids, &id, 1);
		}
		bytes_free(&b);
	}
	out = out_open(common.output, false);
	put_text(j, out, j->ids.v, j->ids.n);
	out_commit(out);
}

static void decode_rows(const struct job *j, const struct tokens *t)
{
	struct out *out = out_open(common.output, false);

	for (int64_t i = 0; i < t->N; i++) {
		put_text(j, out, t->ids + i * t->T, (size_t)t->T);
		out_write(out, "\n", 1);
	}
	out_commit(out);
}

/* The first N*T ids in rows; no overlap, the rest is dropped. */
static void cut_rows(struct job *j, struct tokens *t)
{
	int64_t T = j->o.seqlen ? j->o.seqlen : 2048, full = (int64_t)j->ids.n / T;
	int64_t N = j->o.samples ? j->o.samples : full;

	if (!full)
		die(ST_BAD, "the input gives %zu tokens, not enough for a row of %lld", j->ids.n, (long long)T);
	if (N > full)
		die(ST_BAD, "the input gives %zu tokens, enough for %lld row%s of %lld, not for %lld", j->ids.n,
		    (long long)full, full == 1 ? "" : "s", (long long)T, (long long)N);
	say(1, "%zu tokens; %lld row%s of %lld, %lld tokens dropped", j->ids.n, (long long)N, N == 1 ? "" : "s", (long long)T,
	    (long long)j->ids.n - (long long)(N * T));
	t->ids = j->ids.v;
	t->N = N;
	t->T = T;
	memset(&j->ids, 0, sizeof(j->ids));
}

static void put_digest(cJSON *o, const char *key, uint64_t d)
{
	char hex[32];

	snprintf(hex, sizeof(hex), "xxh3:%016llx", (unsigned long long)d);
	json_put_str(o, key, hex);
}

static cJSON *how_made(const struct job *j, const struct tokens *t)
{
	static const char *const special[] = { "auto", "yes", "no" };
	cJSON *how = t->how ? cJSON_Duplicate(t->how, 1) : json_obj();

	if (j->o.from_ids) {
		put_digest(how, "rows_of", t->digest);
	} else {
		put_digest(how, "tokenizer", tok_digest(j->tok));
		json_put_str(how, "add_special", special[j->o.special]);
		if (j->chat)
			put_digest(how, "chat_template", chat_digest(j->chat));
		put_digest(how, "source", XXH3_64bits_digest(j->hash));
		json_put_num(how, "source_bytes", (double)j->nbytes);
	}
	json_put_num(how, "samples", (double)t->N);
	json_put_num(how, "seqlen", (double)t->T);
	return how;
}

static void load_rows(struct job *j, struct tokens *t)
{
	if (tokens_load(t, j->o.from_ids) < 0 || tokens_limit(t, j->o.samples, j->o.seqlen) < 0)
		die_err();
}

static void write_rows(struct job *j, const struct tokens *t)
{
	cJSON *how = how_made(j, t);

	if (j->o.to_ids && tokens_save_st(t, j->o.to_ids) < 0)
		die_err();
	if (j->o.to_ids && !common.output)
		cJSON_Delete(how);
	else if (tokens_save(t, common.output, how) < 0)
		die_err();
}

/* As what a name will be a file: its directory without links or detours, and the name in it. */
static char *place(const char *path)
{
	char *whole = realpath(path, NULL), *copy, *dir, *text;

	if (whole)
		return whole;
	copy = xstrdup(path);
	dir = realpath(dirname(copy), NULL);
	free(copy);
	copy = xstrdup(path);
	text = xasprintf("%s/%s", dir ? dir : "", basename(copy));
	free(copy);
	free(dir);
	return text;
}

static bool same_file(const char *a, const char *b)
{
	char *x = place(a), *y = place(b);
	bool same = !strcmp(x, y);

	free(x);
	free(y);
	return same && strncmp(a, "/dev/", 5);
}

static void check_usage(const struct opts *o, int operands)
{
	if (!o->model && (!o->from_ids || o->decode))
		die(ST_USAGE, "say whose tokenizer: -m MODEL");
	if (o->model && !strcmp(o->model, "-") && !o->from_ids && !operands)
		die(ST_USAGE, "tokenizer and text cannot both come from standard input");
	if (o->from_ids && operands)
		die(ST_USAGE, "rows come from '%s', there is no text to be read", o->from_ids);
	if (o->print_ids && (o->decode || o->from_ids || o->to_ids))
		die(ST_USAGE, "--print-ids is for text");
	if (o->skip_special && !o->decode)
		die(ST_USAGE, "--skip-special is for --decode");
	if (o->decode && o->to_ids)
		die(ST_USAGE, "--decode gives text, --to-ids does not");
	if (o->to_ids && common.output && same_file(o->to_ids, common.output))
		die(ST_USAGE, "-o and --to-ids name the same file, '%s'", o->to_ids);
	if (o->chat && (o->decode || o->from_ids))
		die(ST_USAGE, "--chat is for conversations");
	if (o->chat && o->special == TOK_YES)
		die(ST_USAGE, "with --chat the template says what begins a text, not --add-special");
	if (!o->chat && (o->set.n || o->date))
		die(ST_USAGE, "--chat-set and --chat-date are for --chat");
	if (o->date && !jinja_date(o->date))
		die(ST_USAGE, "'%s' is no date: YYYY-MM-DD", o->date);
}

static void open_chat(struct job *j)
{
	j->chat = chat_new(j->tok, j->o.date);
	if (!j->chat) {
		err_at("%s", j->o.model);
		die_err();
	}
	for (int i = 0; i < j->o.set.n; i++)
		if (chat_set(j->chat, j->o.set.v[i]) < 0) {
			err_at("--chat-set");
			die_err();
		}
}

int tokenize_main(int argc, char **argv)
{
	struct job j = { 0 };
	struct tokens t = { 0 };
	int i = opt_parse(&tool, &j.o, argc, argv), n = argc - i;

	check_usage(&j.o, n);
	j.hash = XXH3_createState();
	if (!j.hash)
		die(ST_FAIL, "out of memory");
	XXH3_64bits_reset(j.hash);
	if (j.o.model && !(j.tok = tok_open(j.o.model)))
		die_err();
	if (j.o.chat)
		open_chat(&j);
	if (j.o.from_ids)
		load_rows(&j, &t);
	else if (j.o.decode)
		decode_input(&j, n, argv + i);
	else
		read_input(&j, n, argv + i);
	if (j.o.from_ids && j.o.decode)
		decode_rows(&j, &t);
	else if (j.o.print_ids)
		print_ids(&j);
	else if (!j.o.decode) {
		if (!j.o.from_ids)
			cut_rows(&j, &t);
		write_rows(&j, &t);
	}
	meter_report(NULL);
	tokens_free(&t);
	chat_free(j.chat);
	tok_free(j.tok);
	bytes_free(&j.text);
	free(j.ids.v);
	XXH3_freeState(j.hash);
	return ST_OK;
}
