/* Output that appears whole or not at all: commit, abort, death by exit and by signal, full disk, readers that left. */
#include "base/out.h"

#include "base/err.h"
#include "child.h"
#include "tap.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static char dir[] = "/tmp/llmc-out-XXXXXX";

/* Names in the scratch directory, hidden ones too; -1 when it cannot be read. */
static int entries(const char *sub)
{
	DIR *d = opendir(sub);
	int n = 0;

	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d)); )
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	closedir(d);
	return n;
}

static void put_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	if (!f || fputs(text, f) < 0 || fclose(f))
		abort();
}

static bool holds(const char *name, const char *text)
{
	char buf[256];
	FILE *f = fopen(name, "r");

	if (!f)
		return false;
	buf[fread(buf, 1, sizeof(buf) - 1, f)] = '\0';
	fclose(f);
	return !strcmp(buf, text);
}

static void commit(void *path)
{
	struct out *o;

	prog = "llmc-x";
	umask(027);
	o = out_open(path, true);
	out_write(o, "one ", 4);
	out_printf(o, "%s %d\n", "two", 3);
	out_commit(o);
}

static void test_file(void)
{
	struct stat sb;

	is_int(child_run(commit, "f").status, 0, "a file is written");
	ok(holds("f", "one two 3\n") && entries(".") == 1, "whole, and nothing beside it");
	ok(!stat("f", &sb) && (sb.st_mode & 0777) == 0640, "its mode is the umask's");
	put_file("f", "old");
	is_int(child_run(commit, "f").status, 0, "over an old one");
	ok(holds("f", "one two 3\n"), "which it replaces");
	mkdir("sub", 0777);
	put_file("sub/t", "old");
	if (symlink("sub/t", "link"))
		abort();
	child_run(commit, "link");
	ok(holds("sub/t", "one two 3\n") && !lstat("link", &sb) && S_ISLNK(sb.st_mode) && entries("sub") == 1,
	   "a symbolic link is followed");
	unlink("link");
	unlink("sub/t");
	rmdir("sub");
	unlink("f");
}

struct end {
	int sig;                        /* 0: out_abort, -1: die */
	const char *path;
};

/* A file half written, and then an end. */
static void half(void *arg)
{
	const struct end *e = arg;
	static char big[3 << 20];
	struct out *o = out_open(e->path, true);
	int there;

	out_write(o, big, sizeof(big));         /* beyond the buffer */
	there = entries(".");
	if (there != 2)                         /* the old one and the temporary */
		_exit(99);
	if (!e->sig)
		out_abort(o);
	else if (e->sig < 0)
		die(ST_BAD, "input ends");
	else
		raise(e->sig);
	if (entries(".") != 1)
		_exit(98);
}

static void test_ends(void)
{
	static const int sig[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGXCPU, SIGBUS };
	struct end e = { 0, "f" };

	put_file("f", "old");
	is_int(child_run(half, &e).status, 0, "out_abort");
	ok(entries(".") == 1 && holds("f", "old"), "leaves the old file and nothing else");
	e.sig = -1;
	is_int(child_run(half, &e).status, ST_BAD, "die");
	ok(entries(".") == 1 && holds("f", "old"), "leaves the old file and nothing else");
	for (size_t i = 0; i < sizeof(sig) / sizeof(*sig); i++) {
		struct child c;

		e.sig = sig[i];
		c = child_run(half, &e);
		/* A sanitizer reports SIGBUS and exits in its own way. */
		ok((c.status == 128 + sig[i] || sig[i] == SIGBUS) && c.status && entries(".") == 1 && holds("f", "old"),
		   "death by signal %d leaves the old file and nothing else", sig[i]);
		if (sig[i] != SIGBUS)
			is_str(c.err, "", "and goes without a word");
	}
	unlink("f");
}

static void nohup(void *path)
{
	struct out *o;

	signal(SIGHUP, SIG_IGN);
	o = out_open(path, true);
	raise(SIGHUP);
	out_write(o, "x", 1);
	out_commit(o);
}

/* A fatal signal that comes to a child of the writer must not take the writer's file. */
static void forks(void *path)
{
	struct out *o = out_open(path, true);
	int st;
	pid_t p = fork();

	if (!p)
		raise(SIGTERM);
	if (waitpid(p, &st, 0) != p || !WIFSIGNALED(st) || entries(".") != 1)
		_exit(99);
	out_write(o, "y", 1);
	out_commit(o);
}

static void test_care(void)
{
	is_int(child_run(nohup, "f").status, 0, "an ignored SIGHUP stays ignored");
	ok(holds("f", "x"), "and the file is written");
	unlink("f");
	is_int(child_run(forks, "f").status, 0, "a forked child dies");
	ok(holds("f", "y"), "and leaves its parent's file alone");
	unlink("f");
}

static void to_full(void *unused)
{
	int fd = open("/dev/full", O_WRONLY);
	struct out *o;

	(void)unused;
	prog = "llmc-x";
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(99);
	o = out_open(NULL, true);
	out_write(o, "x", 1);
	out_commit(o);
}

static void print_full(void *unused)
{
	int fd = open("/dev/full", O_WRONLY);

	(void)unused;
	prog = "llmc-x";
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(99);
	printf("x\n");
	stdout_close();
}

static void prints(void *unused)
{
	(void)unused;
	printf("x\n");
	stdout_close();
	stdout_close();
}

static void try_full(void *unused)
{
	struct out *o = out_open("/dev/full", true);
	char big[2] = "x";

	(void)unused;
	if (out_try_write(o, big, 1) != 0 || out_flush(o) != -1 || err_status() != ST_FAIL)
		_exit(99);
	puts(err_msg());
	out_abort(o);
}

static void test_disk(void)
{
	struct child c = child_run(to_full, NULL);

	is_int(c.status, ST_FAIL, "a full disk");
	is_str(c.err, "llmc-x: cannot write 'standard output': No space left on device\n",
	       "is told with the system's error");
	c = child_run(commit, "/dev/full");
	is_int(c.status, ST_FAIL, "a full device by name");
	is_str(c.err, "llmc-x: cannot write '/dev/full': No space left on device\n", "is told by its name");
	c = child_run(print_full, NULL);
	is_int(c.status, ST_FAIL, "printf on a full disk");
	is_str(c.err, "llmc-x: cannot write 'standard output': No space left on device\n",
	       "is found when stdout is closed");
	c = child_run(try_full, NULL);
	ok(c.status == 0 && !strcmp(c.out, "cannot write '/dev/full': No space left on device\n"),
	   "out_flush returns the error");
	c = child_run(prints, NULL);
	ok(c.status == 0 && !strcmp(c.out, "x\n"), "stdout_close is content with an empty disk, and twice");
	is_int(child_run(commit, "/dev/null").status, 0, "a device is written in place");
	is_int(child_run(commit, "nowhere/f").status, ST_FAIL, "a directory that is not there");
	is_int(child_run(commit, "/tmp").status, ST_USAGE, "a directory in place of a file");
}

/* stdout becomes a pipe whose reader is gone. */
static void no_reader(void *ignore)
{
	static char big[3 << 20];
	int p[2];
	struct out *o;

	if (pipe(p) || dup2(p[1], STDOUT_FILENO) < 0)
		_exit(99);
	close(p[0]);
	if (*(int *)ignore)
		signal(SIGPIPE, SIG_IGN);
	o = out_open("f", true);                /* a temporary that must go */
	out_write(o, "x", 1);
	o = out_open("-", true);
	out_write(o, big, sizeof(big));
	out_commit(o);
}

static void to_terminal(void *binary)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY);
	struct out *o;

	prog = "llmc-x";
	if (fd < 0 || grantpt(fd) || unlockpt(fd))
		_exit(99);
	fd = open(ptsname(fd), O_RDWR | O_NOCTTY);
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(98);
	o = out_open(NULL, *(int *)binary);
	out_write(o, "x", 1);
	out_commit(o);
}

static void test_stdout(void)
{
	struct child c;
	int yes = 1, no = 0;

	c = child_run(commit, "-");
	ok(c.status == 0 && !strcmp(c.out, "one two 3\n"), "- is standard output");
	for (int ignore = 0; ignore < 2; ignore++) {
		c = child_run(no_reader, &ignore);
		is_int(c.status, 128 + SIGPIPE, ignore ? "SIGPIPE ignored: a reader that left" : "a reader that left");
		ok(!*c.err && entries(".") == 0, "ends us quietly, and cleanly");
	}
	c = child_run(to_terminal, &yes);
	is_int(c.status, ST_USAGE, "binary data for a terminal");
	is_str(c.err, "llmc-x: will not write binary data to a terminal: give -o FILE or a pipe\n", "are refused");
	is_int(child_run(to_terminal, &no).status, 0, "text is not");
}

static void whole_dir(void *path)
{
	struct out_dir *d;
	struct out *o;

	prog = "llmc-x";
	d = dir_open(path);
	if (access(path, F_OK) == 0 && entries(path) != 0)
		_exit(99);
	o = dir_file(d, "a");
	out_printf(o, "A");
	out_commit(o);
	o = dir_file(d, "b");
	out_printf(o, "B");
	out_commit(o);
	dir_commit(d);
}

static void half_dir(void *sig)
{
	struct out_dir *d = dir_open("D");
	struct out *o = dir_file(d, "a");

	out_commit(o);
	o = dir_file(d, "b");
	out_write(o, "B", 1);
	if (entries(".") != 1)
		_exit(99);
	if (*(int *)sig)
		raise(*(int *)sig);
	die(ST_BAD, "input ends");
}

static void bad_name(void *name)
{
	prog = "llmc-x";
	dir_file(dir_open("D"), name);
}

static void twice(void *name)
{
	struct out_dir *d = dir_open("D");

	prog = "llmc-x";
	out_commit(dir_file(d, name));
	dir_file(d, name);
}

static void test_dir(void)
{
	static const char *const name[] = { "x/y", "/etc/x", ".", "..", "" };
	struct child c;
	int sig = 0;

	c = child_run(whole_dir, "D");
	ok(c.status == 0 && holds("D/a", "A") && holds("D/b", "B") && entries("D") == 2 && entries(".") == 1,
	   "a directory");
	c = child_run(whole_dir, "D");
	is_int(c.status, ST_USAGE, "one that is not empty is refused");
	is_str(c.err, "llmc-x: directory 'D' is not empty\n", "by name");
	ok(holds("D/a", "A") && entries(".") == 1, "and left alone");
	unlink("D/a");
	unlink("D/b");
	c = child_run(whole_dir, "D///");
	ok(c.status == 0 && holds("D/a", "A") && entries(".") == 1, "an empty one is replaced, slashes or not");
	unlink("D/a");
	unlink("D/b");
	rmdir("D");
	put_file("D", "file");
	is_int(child_run(whole_dir, "D").status, ST_USAGE, "a file in its place is refused");
	ok(holds("D", "file"), "and left alone");
	unlink("D");
	is_int(child_run(half_dir, &sig).status, ST_BAD, "a directory half made, die");
	is_int(entries("."), 0, "nothing is left");
	sig = SIGTERM;
	is_int(child_run(half_dir, &sig).status, 128 + SIGTERM, "a directory half made, SIGTERM");
	is_int(entries("."), 0, "nothing is left");
	for (size_t i = 0; i < sizeof(name) / sizeof(*name); i++)
		ok(child_run(bad_name, name[i]).status == ST_BAD && entries(".") == 0, "'%s' is no name of a file",
		   name[i]);
	c = child_run(twice, "a");
	ok(c.status == ST_BAD && !strcmp(c.err, "llmc-x: file 'D/a' comes twice\n") && entries(".") == 0,
	   "nor does one come twice");
}

int main(void)
{
	plan(0);
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	test_file();
	test_ends();
	test_care();
	test_disk();
	test_stdout();
	test_dir();
	ok(entries(".") == 0 && !chdir("/") && !rmdir(dir), "nothing is left at all");
	return done();
}
