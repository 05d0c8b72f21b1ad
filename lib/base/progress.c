#include "base/progress.h"

#include "base/err.h"
#include "base/opt.h"
#include "base/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* The line is drawn by a thread of its own, that it goes on while the tool waits for another.
 *
 * Who shows its line, when several programs share the terminal: each bids with a lock on one byte of the terminal's
 * file (a record lock: the kernel drops it when the process ends, however it ends).  The place of the byte is the
 * bid: programs that multiply matrices before those that only move data, the last started before the first, which
 * is the later stage of a pipe.  Whoever finds no lock beyond its own shows its line.
 *
 * What is written is whole lines: a line over the one that stands there, or a message that first erases it, each in
 * one write.  So nothing worse than a stale line, until the next is drawn, can come of two that write at once. */
#define REST "\033[K"                   /* erases from the cursor on */
#define ERASE "\r" REST
enum { RANK = 1 << 22 };                /* more than there are process ids */
static const double period = 0.2;

/* Of the one thing that runs; begin within begin is not a thing. */
static struct {
	char what[32];
	int64_t total;
	_Atomic int64_t done;
	_Atomic double moved;           /* seconds() when `done` last changed */
	_Atomic double each;            /* seconds for one of them, of late; 0: not known */
	double start;
	_Atomic double expect;          /* operations in all; 0: not known */
	uint64_t flops, bytes;          /* counted before it began */
	atomic_bool on, visible;
	off_t bid;                      /* 0: none */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop;
} bar = { .lock = PTHREAD_MUTEX_INITIALIZER };

double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct flock byte_lock(short type, off_t from, off_t len)
{
	return (struct flock){ .l_type = type, .l_whence = SEEK_SET, .l_start = from, .l_len = len };
}

/* Does another program bid `from` or more? */
static bool others(off_t from)
{
	struct flock l = byte_lock(F_WRLCK, from, 0);

	return !fcntl(STDERR_FILENO, F_GETLK, &l) && l.l_type != F_UNLCK;
}

static void withdraw(void)
{
	struct flock l = byte_lock(F_UNLCK, bar.bid, 1);

	if (bar.bid)
		fcntl(STDERR_FILENO, F_SETLK, &l);
	bar.bid = 0;
}

/* Where there are no locks every program believes that it is alone. */
static bool highest(void)
{
	off_t bid = 1 + getpid() % RANK + (tally_flops() > bar.flops ? RANK : 0);
	struct flock l = byte_lock(F_WRLCK, bid, 1);

	if (bid != bar.bid)
		withdraw();
	bar.bid = bid;
	fcntl(STDERR_FILENO, F_SETLK, &l);      /* again, lest closing another descriptor of the terminal drop it */
	return !others(bid + 1);
}

static uint64_t bytes_moved(void)
{
	uint64_t r = atomic_load(&tally_read.work), w = atomic_load(&tally_write.work);

	return r > w ? r : w;
}

static void span(char *buf, size_t n, double s)
{
	long t = (long)s;

	if (t >= 3600)
		snprintf(buf, n, "%ld:%02ld:%02ld", t / 3600, t / 60 % 60, t % 60);
	else
		snprintf(buf, n, "%ld:%02ld", t / 60, t % 60);
}

static int width(void)
{
	struct winsize w;

	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &w) && w.ws_col ? w.ws_col : 80;
}

/* The parts of the line, in the order in which they stand; and how soon each is left out when they do not fit. */
enum { WHERE, STAGE, RATE_, SPENT, LEFT, N_PART };

static void parts(char part[N_PART][64], double now)
{
	int64_t done = atomic_load(&bar.done);
	const char *stage = tally_now();
	double spent = now - bar.start, each = atomic_load(&bar.each), expect = atomic_load(&bar.expect), left = -1;
	uint64_t flops = tally_flops() - bar.flops, bytes = bytes_moved() - bar.bytes;
	char clock[32];

	memset(part, 0, N_PART * sizeof(*part));
	if (bar.total > 0)
		snprintf(part[WHERE], sizeof(*part), "%s %lld/%lld (%d%%)", bar.what, (long long)done,
		         (long long)bar.total, (int)(100.0 * (double)done / (double)bar.total));
	else
		snprintf(part[WHERE], sizeof(*part), "%s %lld", bar.what, (long long)done);
	if (stage)
		snprintf(part[STAGE], sizeof(*part), ", %s", stage);
	if (spent > 0 && flops)
		snprintf(part[RATE_], sizeof(*part), ", %.1f GFLOP/s", (double)flops / spent * 1e-9);
	else if (spent > 0 && bytes)
		snprintf(part[RATE_], sizeof(*part), ", %.1f MB/s", (double)bytes / spent * 1e-6);
	span(clock, sizeof(clock), spent);
	snprintf(part[SPENT], sizeof(*part), ", %s", clock);
	if (each > 0 && done < bar.total) {
		double since = now - atomic_load(&bar.moved);

		left = (since > each ? since : each) * (double)(bar.total - done) - since;
		left = left > 0 ? left : 0;
	} else if (!done && flops && expect > (double)flops)
		left = spent * (expect / (double)flops - 1);
	if (left >= 0) {
		span(clock, sizeof(clock), left);
		snprintf(part[LEFT], sizeof(*part), ", %s to go", clock);
	}
}

static void draw(double now)
{
	static const int first_out[] = { SPENT, RATE_, STAGE, LEFT };
	char part[N_PART][64], line[512];
	int room = width() - 1, need = (int)strlen(prog) + 2, n;

	parts(part, now);
	for (int i = 0; i < N_PART; i++)
		need += (int)strlen(part[i]);
	for (int i = 0; need > room && i < (int)(sizeof(first_out) / sizeof(*first_out)); i++) {
		need -= (int)strlen(part[first_out[i]]);
		*part[first_out[i]] = '\0';
	}
	n = snprintf(line, sizeof(line) - sizeof(ERASE), "\r%s: %s%s%s%s%s", prog, part[WHERE], part[STAGE], part[RATE_],
	             part[SPENT], part[LEFT]);
	if (n > (int)(sizeof(line) - sizeof(ERASE)) - 1)
		n = (int)(sizeof(line) - sizeof(ERASE)) - 1;
	if (n > room + 1)                               /* the carriage return takes no room */
		n = room + 1;
	strcpy(line + n, REST);
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;
	atomic_store(&bar.visible, true);
}

/* The shell's job control would stop a program in the background that writes. */
static bool in_foreground(void)
{
	pid_t p = tcgetpgrp(STDERR_FILENO);

	return p < 0 || p == getpgrp();
}

static void tick(void)
{
	if (!in_foreground() || !highest())
		atomic_store(&bar.visible, false);      /* what stands there now is another's */
	else
		draw(seconds());
}

static void *drawing(void *arg)
{
	struct timespec t;
	double wait = common.progress == PROGRESS_ALWAYS ? 0 : 1;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &t);
	pthread_mutex_lock(&bar.lock);
	for (;;) {
		t.tv_nsec += (long)((wait - (double)(long)wait) * 1e9);
		t.tv_sec += (time_t)wait + t.tv_nsec / 1000000000;
		t.tv_nsec %= 1000000000;
		while (atomic_load(&bar.on) && pthread_cond_timedwait(&bar.stop, &bar.lock, &t) != ETIMEDOUT)
			;
		if (!atomic_load(&bar.on))
			break;
		tick();
		wait = period;
	}
	pthread_mutex_unlock(&bar.lock);
	return NULL;
}

const char *progress_erase(void)
{
	if (common.progress == PROGRESS_NEVER)
		return "";
	if (atomic_load(&bar.on))
		return ERASE;
	return isatty(STDERR_FILENO) && others(1) ? ERASE : "";
}

/* A program that is killed takes its line with it.  Async-signal-safe; what was there before is put back, be it the
 * remover of temporaries or the default, and strikes on return. */
static const int fatal[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT };
enum { N_FATAL = sizeof(fatal) / sizeof(*fatal) };
static struct sigaction former[N_FATAL];

static void on_signal(int sig)
{
	if (atomic_load(&bar.visible) && write(STDERR_FILENO, ERASE, sizeof(ERASE) - 1) < 0)
		atomic_store(&bar.visible, false);
	for (int i = 0; i < N_FATAL; i++)
		if (fatal[i] == sig)
			sigaction(sig, &former[i], NULL);
	raise(sig);
}

static void arm(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigfillset(&sa.sa_mask);
	for (int i = 0; i < N_FATAL; i++) {
		sigaction(fatal[i], NULL, &former[i]);
		if (former[i].sa_handler != SIG_IGN)
			sigaction(fatal[i], &sa, NULL);
	}
}

static bool wanted(void)
{
	const char *term = getenv("TERM");

	if (common.progress != PROGRESS_AUTO)
		return common.progress == PROGRESS_ALWAYS;
	return verbose >= 0 && isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb");
}

void progress_begin(const char *what, int64_t total)
{
	static bool ready;
	pthread_condattr_t attr;
	sigset_t all, old;
	int err;

	progress_end();
	if (!wanted())
		return;
	if (!ready) {
		pthread_condattr_init(&attr);
		pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		pthread_cond_init(&bar.stop, &attr);
		pthread_condattr_destroy(&attr);
		atexit(progress_end);
		arm();
		ready = true;
	}
	snprintf(bar.what, sizeof(bar.what), "%s", what);
	bar.total = total;
	bar.start = seconds();
	bar.flops = tally_flops();
	bar.bytes = bytes_moved();
	atomic_store(&bar.done, 0);
	atomic_store(&bar.moved, bar.start);
	atomic_store(&bar.each, 0);
	atomic_store(&bar.expect, 0);
	atomic_store(&bar.on, true);
	sigfillset(&all);                       /* signals are the other threads' matter */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&bar.thread, NULL, drawing, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		atomic_store(&bar.on, false);
}

void progress_at(int64_t done)
{
	double now, each, before;

	if (bar.total > 0 && done > bar.total)
		done = bar.total;               /* a model has more than its layers */
	if (!atomic_load(&bar.on) || atomic_load(&bar.done) == done)
		return;
	now = seconds();
	each = (now - atomic_load(&bar.moved)) / (double)llabs((long long)(done - atomic_load(&bar.done)));
	before = atomic_load(&bar.each);
	/* What a resumed run does again goes by quickly: the last ones weigh most. */
	atomic_store(&bar.each, before > 0 ? (before + each) / 2 : each);
	atomic_store(&bar.moved, now);
	atomic_store(&bar.done, done);
}

void progress_expect(double flops)
{
	atomic_store(&bar.expect, flops);
}

void progress_end(void)
{
	if (!atomic_load(&bar.on))
		return;
	pthread_mutex_lock(&bar.lock);
	atomic_store(&bar.on, false);
	pthread_cond_signal(&bar.stop);
	pthread_mutex_unlock(&bar.lock);
	pthread_join(bar.thread, NULL);
	if (atomic_load(&bar.visible) && (!bar.bid || !others(bar.bid + 1)) &&
	    write(STDERR_FILENO, ERASE, sizeof(ERASE) - 1) < 0)
		clearerr(stderr);               /* nobody is there to see it */
	atomic_store(&bar.visible, false);
	withdraw();
}
