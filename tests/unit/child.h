/* A function run in a child process, for what ends in exit or a signal: its status, output and messages. */
#ifndef CHILD_H
#define CHILD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A child that dies holds its memory still: not a leak. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

struct child {
	int status;                     /* exit status, or 128 + signal */
	char out[8192], err[4096];      /* what it wrote, NUL-terminated */
};

static inline void child_read(FILE *f, char *buf, size_t n)
{
	rewind(f);
	buf[fread(buf, 1, n - 1, f)] = '\0';
	fclose(f);
}

static inline struct child child_run(void (*fn)(void *), const void *arg)
{
	FILE *out = tmpfile(), *err = tmpfile();
	struct child c = { .status = -1 };
	pid_t pid;
	int st;

	if (!out || !err)
		abort();
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		dup2(fileno(out), STDOUT_FILENO);
		dup2(fileno(err), STDERR_FILENO);
		fn((void *)(uintptr_t)arg);
		exit(0);
	}
	if (waitpid(pid, &st, 0) == pid)
		c.status = WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
	child_read(out, c.out, sizeof(c.out));
	child_read(err, c.err, sizeof(c.err));
	return c;
}

#endif
