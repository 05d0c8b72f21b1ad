#include "base/err.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *prog = "llmc";
int verbose;
const char *(*err_before)(void);
void (*err_last)(void);

static _Thread_local char msg[1024];
static _Thread_local int stat = ST_FAIL;
static _Thread_local bool unread;

int err_set(int status, const char *fmt, ...)
{
	char text[sizeof(msg)];         /* err_msg() may be among what is printed */
	va_list ap;

	stat = status;
	unread = false;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(msg, text, sizeof(msg));
	return -1;
}

int err_at(const char *fmt, ...)
{
	char old[sizeof(msg)];
	va_list ap;
	int n;

	memcpy(old, msg, sizeof(msg));
	va_start(ap, fmt);
	n = vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(msg) - 3) {
		size_t room = sizeof(msg) - 3 - (size_t)n, len = strnlen(old, sizeof(old));

		if (len > room)
			len = room;
		memcpy(msg + n, ": ", 2);
		memcpy(msg + n + 2, old, len);
		msg[(size_t)n + 2 + len] = '\0';
	}
	return -1;
}

int err_read(const char *what)
{
	err_set(ST_BAD, "cannot %s: %s", what, strerror(errno));
	unread = true;
	return -1;
}

bool err_unread(void)
{
	return unread;
}

const char *err_msg(void)
{
	return msg[0] ? msg : "unknown error";
}

int err_status(void)
{
	return stat;
}

void err_clear(void)
{
	msg[0] = '\0';
	stat = ST_FAIL;
	unread = false;
}

/* One write per message, so that the stages of a pipe do not interleave within a line. */
PRINTF(1, 0) static void talk(const char *fmt, va_list ap)
{
	const char *before = err_before ? err_before() : "";
	char line[1280];
	int n, k, start;

	start = snprintf(line, 16, "%s", before);
	n = start + snprintf(line + start, sizeof(line) - 2 - (size_t)start, "%s: ", prog);
	k = vsnprintf(line + n, sizeof(line) - 2 - (size_t)n, fmt, ap);
	n += k < 0 ? 0 : k;
	if (n > (int)sizeof(line) - 3)
		n = (int)sizeof(line) - 3;
	utf8_tame(line + start, (size_t)(n - start));          /* names come from files */
	line[n] = '\n';
	fwrite(line, 1, (size_t)n + 1, stderr);
}

NORETURN static void leave(int status)
{
	if (err_last)
		err_last();
	_exit(status);
}

/* The first to die speaks.  Other threads that would wait until it is done; what dies of dying leaves at once. */
static void once(int status)
{
	static atomic_flag dying = ATOMIC_FLAG_INIT;
	static _Thread_local bool me;

	if (!atomic_flag_test_and_set(&dying)) {
		me = true;
		return;
	}
	if (me)
		leave(status);
	for (;;)
		pause();
}

void die(int status, const char *fmt, ...)
{
	va_list ap;

	once(status);
	va_start(ap, fmt);
	talk(fmt, ap);
	va_end(ap);
	/* beside a thread that computes, nothing is taken down but the temporaries */
	if (gettid() != getpid())
		quick_exit(status);
	exit(status);
}

void die_now(int status, const char *fmt, ...)
{
	va_list ap;

	once(status);
	va_start(ap, fmt);
	talk(fmt, ap);
	va_end(ap);
	leave(status);
}

void die_err(void)
{
	die(stat, "%s", err_msg());
}

void warn(const char *fmt, ...)
{
	va_list ap;

	if (verbose < 0)
		return;
	va_start(ap, fmt);
	talk(fmt, ap);
	va_end(ap);
}

void say(int level, const char *fmt, ...)
{
	va_list ap;

	if (verbose < level)
		return;
	va_start(ap, fmt);
	talk(fmt, ap);
	va_end(ap);
}
