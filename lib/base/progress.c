#include "base/progress.h"

#include "base/err.h"
#include "base/opt.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Of the one thing that runs; begin within begin is not a thing. */
static struct {
	char what[32];
	int64_t total, done;
	double start, shown;            /* seconds(); shown: when the line was last written */
	bool on, visible;
} bar;

double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Before a message is printed, and at the end: the terminal's own "erase the line". */
static void erase(void)
{
	static const char clear[] = "\r\033[K";

	if (bar.visible)
		fwrite(clear, 1, sizeof(clear) - 1, stderr);
	bar.visible = false;
}

static void span(char *buf, size_t n, double s)
{
	long t = (long)s;

	if (t >= 3600)
		snprintf(buf, n, "%ld:%02ld:%02ld", t / 3600, t / 60 % 60, t % 60);
	else
		snprintf(buf, n, "%ld:%02ld", t / 60, t % 60);
}

static void draw(double now)
{
	char line[160], spent[32], left[32];
	int n;

	span(spent, sizeof(spent), now - bar.start);
	n = snprintf(line, sizeof(line), "\r%s: %s %lld", prog, bar.what, (long long)bar.done);
	if (bar.total > 0 && n > 0 && n < 100) {
		n += snprintf(line + n, sizeof(line) - (size_t)n, "/%lld (%d%%), %s", (long long)bar.total,
		              (int)(100.0 * (double)bar.done / (double)bar.total), spent);
		if (bar.done > 0 && bar.done < bar.total) {
			span(left, sizeof(left), (now - bar.start) / (double)bar.done * (double)(bar.total - bar.done));
			snprintf(line + n, sizeof(line) - (size_t)n, ", %s to go", left);
		}
	}
	strcat(line, "\033[K");
	fwrite(line, 1, strlen(line), stderr);
	fflush(stderr);
	bar.visible = true;
	bar.shown = now;
}

void progress_begin(const char *what, int64_t total)
{
	erase();
	snprintf(bar.what, sizeof(bar.what), "%s", what);
	bar.total = total;
	bar.done = 0;
	bar.start = seconds();
	/* auto: the first line after a second; always: at once.  Then ten a second at most. */
	bar.shown = bar.start + (common.progress == PROGRESS_ALWAYS ? -1 : 0.9);
	bar.on = common.progress == PROGRESS_ALWAYS ||
	         (common.progress == PROGRESS_AUTO && verbose >= 0 && isatty(STDERR_FILENO));
	err_before = erase;
	progress_at(0);
}

void progress_at(int64_t done)
{
	double now;

	bar.done = done;
	if (!bar.on)
		return;
	now = seconds();
	if (now - bar.shown >= 0.1)
		draw(now);
}

void progress_end(void)
{
	erase();
	bar.on = false;
}
