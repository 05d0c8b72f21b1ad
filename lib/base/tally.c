#include "base/tally.h"

#include "base/err.h"
#include "base/progress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct tally tally_read = { .name = "reading" }, tally_write = { .name = "writing" };

enum { DEPTH = 16 };

static struct {
	double start, mark;             /* seconds(); mark: time up to here is charged */
	atomic_bool over;
	double cpu;                     /* of all threads, at the end */
	uint64_t peak;                  /* bytes, at the end */
	struct tally *stack[DEPTH];
	int depth;
	struct tally *_Atomic now;
	pthread_mutex_t lock;           /* of the list */
	struct tally *first, **last;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .last = &all.first };

static _Thread_local bool ours;         /* this thread's time is accounted */

/* Most that was resident since the program began.  getrusage's would include what ran before exec. */
static uint64_t peak_memory(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	unsigned long long kb = 0;
	struct rusage u;
	char line[256];

	while (f && !kb && fgets(line, sizeof(line), f))
		sscanf(line, "VmHWM: %llu kB", &kb);
	if (f)
		fclose(f);
	if (!kb && !getrusage(RUSAGE_SELF, &u))
		kb = (unsigned long long)u.ru_maxrss;
	return kb * 1024;
}

static double cpu_time(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u))
		return 0;
	return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
	       1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void enlist(struct tally *t)
{
	if (atomic_load(&t->listed))
		return;
	pthread_mutex_lock(&all.lock);
	if (!atomic_load(&t->listed)) {
		*all.last = t;
		all.last = &t->next;
		atomic_store(&t->listed, true);
	}
	pthread_mutex_unlock(&all.lock);
}

/* Time since the mark belongs to what runs. */
static void charge(void)
{
	double now = seconds();

	if (all.depth)
		all.stack[all.depth - 1]->seconds += now - all.mark;
	all.mark = now;
}

void tally_start(void)
{
	ours = true;
	if (!all.start)
		all.start = all.mark = seconds();
}

void tally_enter(struct tally *t)
{
	enlist(t);
	if (!ours || atomic_load(&all.over) || all.depth == DEPTH)
		return;
	charge();
	all.stack[all.depth++] = t;
	atomic_store(&all.now, t);
}

void tally_leave(struct tally *t, double work)
{
	if (atomic_load(&all.over))
		return;
	atomic_fetch_add(&t->work, (uint64_t)work);
	if (work > 0)
		atomic_fetch_add(&t->calls, 1);
	if (!ours || !all.depth || all.stack[all.depth - 1] != t)
		return;
	charge();
	all.depth--;
	atomic_store(&all.now, all.depth ? all.stack[all.depth - 1] : NULL);
}

void tally_stop(void)
{
	if (atomic_load(&all.over))
		return;
	charge();
	atomic_store(&all.over, true);
	all.cpu = cpu_time();
	all.peak = peak_memory();
}

const char *tally_now(void)
{
	const struct tally *t = atomic_load(&all.now);

	return t ? t->name : NULL;
}

uint64_t tally_flops(void)
{
	uint64_t sum = 0;

	pthread_mutex_lock(&all.lock);
	for (struct tally *t = all.first; t; t = t->next)
		if (t->unit != TALLY_BYTES)
			sum += atomic_load(&t->work);
	pthread_mutex_unlock(&all.lock);
	return sum;
}

bool tally_used(enum tally_unit unit)
{
	bool used = false;

	pthread_mutex_lock(&all.lock);
	for (struct tally *t = all.first; t && !used; t = t->next)
		used = t->unit == unit && atomic_load(&t->work);
	pthread_mutex_unlock(&all.lock);
	return used;
}

static void row(FILE *f, struct tally *t, double wall, double f32, double bf16)
{
	double work = (double)atomic_load(&t->work), top = t->unit == TALLY_F32 ? f32 : bf16;
	double rate = t->seconds > 0 ? work / t->seconds : 0;

	fprintf(f, "%-12s %9llu %10.4f %4.0f%%", t->name, (unsigned long long)atomic_load(&t->calls), t->seconds,
	        wall > 0 ? 100 * t->seconds / wall : 0);
	if (t->unit == TALLY_BYTES && rate > 1e12)      /* mapped, or moved by another thread: no rate of ours */
		fprintf(f, " %10.1f MB    %9s         %5s\n", work * 1e-6, "-", "-");
	else if (t->unit == TALLY_BYTES)
		fprintf(f, " %10.1f MB    %9.1f MB/s    %5s\n", work * 1e-6, rate * 1e-6, "-");
	else {
		fprintf(f, " %10.2f GFLOP %9.1f GFLOP/s", work * 1e-9, rate * 1e-9);
		if (top > 0)
			fprintf(f, " %4.0f%%\n", 100 * rate / top);
		else
			fprintf(f, " %5s\n", "-");
	}
}

void tally_print(double f32, double bf16)
{
	double wall, sum = 0;
	char *text = NULL;
	size_t len;
	FILE *f;

	tally_stop();
	if (!(f = open_memstream(&text, &len)))
		return;
	wall = all.mark - all.start;
	fprintf(f, "%s%s: %.2f s, %.2f s of processor time, at most %.1f MB of memory\n", progress_erase(), prog, wall,
	        all.cpu, (double)all.peak * 1e-6);
	fprintf(f, "%-12s %9s %10s %5s %10s %5s %9s %7s %5s\n", "work", "calls", "seconds", "share", "amount", "", "rate",
	        "", "GEMM");
	for (struct tally *t = all.first; t; t = t->next) {
		row(f, t, wall, f32, bf16);
		sum += t->seconds;
	}
	fprintf(f, "%-12s %9s %10.4f %4.0f%%\n", "other", "-", wall - sum, wall > 0 ? 100 * (wall - sum) / wall : 0);
	fprintf(f, "%-12s %9s %10.4f  100%%\n", "total", "-", wall);
	if (f32 > 0 || bf16 > 0)
		fputs("GEMM:", f);
	if (f32 > 0)
		fprintf(f, " f32 %.1f GFLOP/s%s", f32 * 1e-9, bf16 > 0 ? "," : "\n");
	if (bf16 > 0)
		fprintf(f, " bf16 %.1f GFLOP/s\n", bf16 * 1e-9);
	if (!fclose(f))
		fwrite(text, 1, len, stderr);
	free(text);
}
