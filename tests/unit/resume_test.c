/* Output with a journal: what a run that was stopped leaves, what of it the next one takes, whatever the disk made of
 * both files in between; whose journal it must be. */
#include "base/journal.h"
#include "base/out.h"

#include "base/err.h"
#include "child.h"
#include "tap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { STEPS = 8 };
static char dir[] = "/tmp/llmc-resume-XXXXXX";

static bool exists(const char *name)
{
	return !access(name, F_OK);
}

static long size_of(const char *name)
{
	struct stat sb;

	return stat(name, &sb) ? -1 : (long)sb.st_size;
}

static cJSON *options(const char *text)
{
	return json_parse(text, strlen(text), "options");
}

static cJSON *key(const char *colour)
{
	cJSON *k = json_obj();

	json_put_str(k, "tool", "llmc-x");
	json_put(k, "options", options("[\"--a=1\",\"--b\"]"));
	json_put_str(k, "colour", colour);
	return k;
}

/* Eight stretches of 1000 bytes, each a step; stops after `until` of them, by SIGKILL, or ends.  Says how many of the
 * run before it took over. */
struct work {
	const char *colour;
	int until;
	bool abort;
};

static void work(void *arg)
{
	const struct work *w = arg;
	struct out *o;
	char buf[1000];
	int n;

	prog = "llmc-x";
	o = out_resume("f", key(w->colour));
	n = journal_steps(out_journal(o));
	printf("%d %d\n", n, (int)out_at(o));
	fflush(stdout);
	for (int i = n; i < STEPS; i++) {
		cJSON *step = json_obj();

		if (i == w->until && w->abort) {
			out_abort(o);
			exit(ST_BAD);
		}
		if (i == w->until) {
			out_write(o, buf, 10);          /* of no step */
			out_flush(o);
			raise(SIGKILL);
		}
		memset(buf, 'a' + i, sizeof(buf));
		out_write(o, buf, sizeof(buf));
		json_put_num(step, "i", i);
		out_step(o, step);
	}
	out_commit(o);
}

static struct child stopped(int until)
{
	struct work w = { "red", until, false };

	unlink("f");
	return child_run(work, &w);
}

static bool whole(void)
{
	char buf[STEPS * 1000 + 1];
	FILE *f = fopen("f", "r");
	size_t n = f ? fread(buf, 1, sizeof(buf), f) : 0;

	if (f)
		fclose(f);
	for (int i = 0; n == STEPS * 1000 && i < (int)n; i++)
		if (buf[i] != 'a' + i / 1000)
			return false;
	return n == STEPS * 1000 && !exists(".f.part") && !exists(".f.journal");
}

/* Resumes to the end: how many steps were taken over; -1 when the result is wrong. */
static int taken(void)
{
	struct work w = { "red", -1, false };
	struct child c = child_run(work, &w);

	if (c.status || !whole()) {
		diag("status %d: %s", c.status, c.err);
		return -1;
	}
	return atoi(c.out);
}

static void scribble(const char *name, long at, const char *text)
{
	FILE *f = fopen(name, "r+");

	if (!f || fseek(f, at, SEEK_SET) || fputs(text, f) < 0 || fclose(f))
		abort();
}

static void test_stops(void)
{
	struct child c = stopped(5);

	is_int(c.status, 137, "killed");
	ok(exists(".f.part") && exists(".f.journal") && !exists("f"), "part and journal stay, and there is no output");
	is_int(size_of(".f.part"), 5010, "with what belonged to no step");
	is_int(taken(), 5, "the next run goes on behind the fifth step, and is right");
	stopped(0);
	is_int(taken(), 0, "killed before the first step");
	stopped(2);
	c = child_run(work, &(struct work){ "red", 6, false });
	is_str(c.out, "2 2000\n", "killed twice");
	is_int(taken(), 6, "and resumed");
	c = child_run(work, &(struct work){ "red", 3, true });
	ok(c.status == ST_BAD && exists(".f.part") && exists(".f.journal"), "a run that fails leaves them too");
	is_int(taken(), 3, "and is resumed");
	child_run(work, &(struct work){ "red", 0, true });
	ok(!exists(".f.part") && !exists(".f.journal"), "but one that did nothing");
}

static void test_disk(void)
{
	long n;

	stopped(5);
	if (truncate(".f.part", 3500))
		abort();
	is_int(taken(), 3, "data that was not written: the steps before it are kept");
	stopped(5);
	scribble(".f.part", 1500, "x");
	is_int(taken(), 1, "data that was written wrong");
	stopped(5);
	unlink(".f.part");
	is_int(taken(), 0, "no data");
	stopped(5);
	n = size_of(".f.journal");
	if (truncate(".f.journal", n - 3))
		abort();
	is_int(taken(), 4, "a torn line of the journal");
	stopped(5);
	scribble(".f.journal", n - 90, "#");
	is_int(taken(), 3, "a damaged one takes those after it along");
	stopped(5);
	scribble(".f.journal", 20, "#");
	is_int(taken(), 0, "a damaged key: from the beginning");
	stopped(5);
	if (truncate(".f.journal", 0))
		abort();
	is_int(taken(), 0, "an empty journal");
	/* Lines of an older run behind a new one's are not its own. */
	stopped(7);
	if (truncate(".f.part", 1000))
		abort();
	child_run(work, &(struct work){ "red", 2, false });
	is_int(taken(), 2, "what an older run wrote further behind is not taken up again");
}

static void other_option(void *arg)
{
	cJSON *k = key("red");

	(void)arg;
	prog = "llmc-x";
	json_put(k, "options", options("[\"--a=2\",\"--b\"]"));
	out_resume("f", k);
}

static void fewer_options(void *arg)
{
	cJSON *k = key("red");

	(void)arg;
	prog = "llmc-x";
	json_put(k, "options", options("[\"--a=1\",\"--c\",\"--b\"]"));
	out_resume("f", k);
}

static void test_keys(void)
{
	struct child c;
	int fd;

	stopped(4);
	c = child_run(work, &(struct work){ "blue", -1, false });
	ok(c.status == ST_BAD && strstr(c.err, "the colour differs"), "another key is refused by name");
	c = child_run(other_option, NULL);
	ok(c.status == ST_USAGE && strstr(c.err, "begun with --a=1, not --a=2"), "an option of another value");
	c = child_run(fewer_options, NULL);
	ok(c.status == ST_USAGE && strstr(c.err, "begun without --c"), "an option that was not there");
	fd = open(".f.journal", O_RDWR);
	if (fd < 0 || flock(fd, LOCK_EX))
		abort();
	c = child_run(work, &(struct work){ "red", -1, false });
	ok(c.status == ST_FAIL && strstr(c.err, "another run"), "one run at a time");
	close(fd);
	is_int(taken(), 4, "all of which left it as it was");
	unlink("f");
}

/* A directory of three files; killed after `until`, or ends. */
static void files(void *arg)
{
	const struct work *w = arg;
	struct out_dir *d;
	int n;

	prog = "llmc-x";
	d = dir_resume("d", key(w->colour));
	n = journal_steps(dir_journal(d));
	printf("%d\n", n);
	fflush(stdout);
	for (int i = n; i < 3; i++) {
		struct out *o = dir_file(d, (const char *[]){ "one", "two", "three" }[i]);

		out_printf(o, "%d\n", i);
		if (i == w->until) {
			out_flush(o);
			raise(SIGKILL);
		}
		dir_step(d, o, json_obj());
	}
	dir_commit(d);
}

static void test_directory(void)
{
	struct child c = child_run(files, &(struct work){ "red", 2, false });

	ok(c.status == 137 && exists(".d.part/one") && exists(".d.part/three") && !exists("d"), "a directory half made");
	scribble(".d.part/two", 0, "x");
	c = child_run(files, &(struct work){ "red", -1, false });
	is_str(c.out, "1\n", "a file that is not as it was is made again, and those after it");
	ok(!c.status && size_of("d/one") == 2 && size_of("d/two") == 2 && size_of("d/three") == 2 && !exists(".d.part") &&
	   !exists(".d.journal"), "the whole directory, and nothing beside it");
	c = child_run(files, &(struct work){ "red", -1, false });
	ok(c.status == ST_USAGE && !exists(".d.journal"), "which is not made twice");
}

int main(void)
{
	plan(0);
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	test_stops();
	test_disk();
	test_keys();
	test_directory();
	for (const char *const *n = (const char *const[]){ "f", "d/one", "d/two", "d/three", NULL }; *n; n++)
		unlink(*n);
	rmdir("d");
	rmdir(dir);
	return done();
}
