#include "eval/save.h"

#include "base/err.h"
#include "base/journal.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/progress.h"
#include "run/memo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { ROWS = 4096, SHARE = 10 };       /* rows of states moved at once; a SHARE-th of the time is spent on saving */

/* Moves n floats from or to the file; false with errno where they are not there, or find no room. */
static bool move(int fd, float *x, size_t n, bool out)
{
	char *p = (char *)x;

	n *= sizeof(*x);
	errno = 0;
	while (n) {
		ssize_t k = out ? write(fd, p, n) : read(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return false;
		p += k;
		n -= (size_t)k;
	}
	return true;
}

static int rows_at(const struct save *s, int64_t row)
{
	return (int)(s->rows - row < ROWS ? s->rows - row : ROWS);
}

/* The states of all passes into fd; *sum: their digest. */
static int write_states(struct save *s, int fd, XXH3_state_t *h)
{
	for (int i = 0; i < s->n; i++)
		for (int64_t row = 0; row < s->rows; row += ROWS) {
			int n = rows_at(s, row);
			size_t len = (size_t)n * (size_t)s->pass[i]->m->d_model;
			const float *x = calib_rows(s->pass[i]->c, row, n);
			float *p;

			if (!x)
				return -1;
			memcpy(&p, &x, sizeof(p));
			XXH3_64bits_update(h, x, len * sizeof(*x));
			if (!move(fd, p, len, true))
				return err_set(ST_FAIL, "cannot write '%s': %s", s->file[s->turn], strerror(errno));
		}
	return 0;
}

/* And back: into the passes, when `keep`. */
static int read_states(struct save *s, int fd, XXH3_state_t *h, bool keep)
{
	int r = 0;

	for (int i = 0; i < s->n && r == 0; i++) {
		size_t C = (size_t)s->pass[i]->m->d_model;
		float *x = xmalloc(ROWS * C * sizeof(*x));

		for (int64_t row = 0; row < s->rows && r == 0; row += ROWS) {
			int n = rows_at(s, row);

			if (!move(fd, x, (size_t)n * C, false))
				r = err_set(ST_FAIL, "cannot read saved states: %s", errno ? strerror(errno) : "they end early");
			else
				XXH3_64bits_update(h, x, (size_t)n * C * sizeof(*x));
			if (r == 0 && keep)
				r = calib_set(s->pass[i]->c, row, n, x);
		}
		free(x);
	}
	return r;
}

static int open_states(const struct save *s, int which, bool out)
{
	int fd = open(s->file[which], (out ? O_WRONLY | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	struct stat sb;

	if (fd >= 0 && (fstat(fd, &sb) || !S_ISREG(sb.st_mode) || sb.st_uid != geteuid() || (out && ftruncate(fd, 0)))) {
		close(fd);
		fd = -1;
		errno = EACCES;
	}
	return fd;
}

static XXH3_state_t *digest_new(void)
{
	XXH3_state_t *h = XXH3_createState();

	if (!h)
		die(ST_FAIL, "out of memory");
	XXH3_64bits_reset(h);
	return h;
}

int save_step(struct save *s)
{
	struct journal *j = out_journal(s->out);
	double now = seconds();
	XXH3_state_t *h;
	cJSON *step, *list;
	int fd, r;

	/* the embedding is soon done again; what saving costs is learned after the first layer */
	if (!j || !s->pass[s->n - 1]->blocks || now - s->last < SHARE * s->cost)
		return 0;
	fd = open_states(s, s->turn, true);
	if (fd < 0)
		return err_set(ST_FAIL, "cannot create '%s': %s", s->file[s->turn], strerror(errno));
	h = digest_new();
	r = write_states(s, fd, h);
	if (r == 0 && journal_due(j))
		fdatasync(fd);
	if (close(fd) && r == 0)
		r = err_set(ST_FAIL, "cannot write '%s': %s", s->file[s->turn], strerror(errno));
	if (r == 0) {
		step = json_obj();
		json_put(step, "pass", list = json_arr());
		for (int i = 0; i < s->n; i++) {
			cJSON *o = json_obj();

			json_put_num(o, "blocks", s->pass[i]->blocks);
			key_digest(o, "in", s->pass[i]->sum);
			json_push(list, o);
		}
		json_put_num(step, "file", s->turn);
		key_digest(step, "states", XXH3_64bits_digest(h));
		out_step(s->out, step);
		s->turn = !s->turn;
	}
	XXH3_freeState(h);
	s->last = seconds();
	s->cost = s->last - now;
	return r;
}

/* Are the states of this step on the disk as they were?  The file's number, or -1. */
static int there(struct save *s, const cJSON *step)
{
	const char *said = "";
	char hex[17] = "";
	int64_t which;
	XXH3_state_t *h;
	int fd;

	if (json_int(step, "file", 0, 1, &which) <= 0 || json_str(step, "states", &said) <= 0 ||
	    (fd = open_states(s, (int)which, false)) < 0)
		return -1;
	h = digest_new();
	if (read_states(s, fd, h, false) == 0)
		snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)XXH3_64bits_digest(h));
	XXH3_freeState(h);
	close(fd);
	return strcmp(hex, said) ? -1 : (int)which;
}

static int restore(struct save *s, const cJSON *step, int which)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(step, "pass");
	XXH3_state_t *h;
	int fd, r;

	for (int i = 0; i < s->n; i++) {
		const cJSON *o = cJSON_GetArrayItem(list, i);
		const char *in = "";
		char hex[17];
		int64_t blocks;

		if (json_int(o, "blocks", 0, s->pass[i]->m->n_layer, &blocks) <= 0 || json_str(o, "in", &in) <= 0)
			return err_set(ST_BAD, "journal of '%s': no proper step", out_name(s->out));
		if (pass_skip(s->pass[i], (int)blocks) < 0)
			return -1;
		snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)s->pass[i]->sum);
		if (strcmp(hex, in))
			return err_set(ST_BAD, "%s: not what the run that was stopped read: the %s differs",
			               bundle_name(s->pass[i]->in), i + 1 < s->n ? "reference" : "model");
		if (i + 1 == s->n)
			say(0, "'%s': %d of %d blocks are done already", out_name(s->out), (int)blocks,
			    s->pass[i]->m->n_layer);
	}
	if ((fd = open_states(s, which, false)) < 0)
		return err_set(ST_FAIL, "cannot open '%s': %s", s->file[which], strerror(errno));
	h = digest_new();
	r = read_states(s, fd, h, true);
	XXH3_freeState(h);
	close(fd);
	s->turn = !which;
	return r;
}

int save_open(struct save *s, const char *verb, const struct tokens *t, struct pass *first, struct pass *second,
              bool binary)
{
	char tool[64];
	cJSON *key;
	int which = -1, n;

	*s = (struct save){ .pass = { first, second }, .n = second ? 2 : 1, .rows = t->N * t->T, .last = seconds() };
	if (!common.resume) {
		s->out = out_open(common.output, binary);
		return 0;
	}
	key = journal_key();
	snprintf(tool, sizeof(tool), "%s %s", prog, verb);
	json_put_str(key, "tool", tool);
	key_device(key, calib_dev(first->c));
	key_digest(key, "tokens", t->digest);
	if (second)
		key_manifest(key, "reference", bundle_manifest(first->in));
	key_manifest(key, "model", bundle_manifest((second ? second : first)->in));
	s->out = out_resume(common.output, key);
	s->file[0] = journal_side(out_journal(s->out), "states0");
	s->file[1] = journal_side(out_journal(s->out), "states1");
	for (n = journal_steps(out_journal(s->out)); n > 0 && which < 0; n--)
		which = there(s, journal_step(out_journal(s->out), n - 1));
	out_keep(s->out, which < 0 ? 0 : n + 1);
	err_clear();
	return which < 0 ? 0 : restore(s, journal_step(out_journal(s->out), n), which);
}
