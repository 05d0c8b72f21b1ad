/* mkkill MICROSECONDS COMMAND...: runs the command and kills it (SIGKILL) after that time.  Ends when it is gone, with
 * its status, or 137 when it was killed. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct timespec wait;
	sigset_t chld, old;
	long us;
	pid_t pid;
	int status;

	if (argc < 3 || (us = atol(argv[1])) < 0) {
		fprintf(stderr, "usage: mkkill MICROSECONDS COMMAND...\n");
		return 2;
	}
	wait.tv_sec = us / 1000000;
	wait.tv_nsec = us % 1000000 * 1000;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &old);
	pid = fork();
	if (pid < 0)
		return 1;
	if (!pid) {
		setpgid(0, 0);          /* a pipe dies as one */
		sigprocmask(SIG_SETMASK, &old, NULL);
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	setpgid(pid, pid);
	if (sigtimedwait(&chld, NULL, &wait) < 0 && errno == EAGAIN)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
