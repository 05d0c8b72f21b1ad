/* mkpty [-c COLUMNS] COMMAND: runs a line of shell on a pseudo-terminal of that width and tells what a person would
 * have seen, one line each:
 *	~TEXT	the cursor's line after a control sequence erased the rest of it: a progress line, or "" when it went
 *	|TEXT	a line that was ended
 *	!TEXT	a line that ran over the right edge
 *	=TEXT	what stood on the last line at the end
 * Ends as the command does.  For the bats files. */
#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WIDTH = 500 };

static struct {
	char line[WIDTH + 1];           /* blanks where nothing stands */
	int columns, at;                /* cursor; at == columns: the next character wraps */
	int escape;                     /* bytes of a control sequence so far */
} screen = { .columns = 80 };

static void tell(char how)
{
	int n = screen.columns;

	while (n > 0 && screen.line[n - 1] == ' ')
		n--;
	printf("%c%.*s\n", how, n, screen.line);
}

static void clear(int from)
{
	memset(screen.line + from, ' ', (size_t)(screen.columns - from));
}

static void next_line(char how)
{
	tell(how);
	clear(0);
}

/* ESC [ K is the one sequence that there is; any other is shown as it came. */
static void control(char c)
{
	screen.escape++;
	if (screen.escape == 2 && c == '[')
		return;
	if (screen.escape == 3 && c == 'K') {
		clear(screen.at < screen.columns ? screen.at : screen.columns);
		tell('~');
	} else
		printf("?%c\n", c);
	screen.escape = 0;
}

static void show(char c)
{
	if (screen.escape) {
		control(c);
		return;
	}
	switch (c) {
	case '\033':
		screen.escape = 1;
		return;
	case '\r':
		screen.at = 0;
		return;
	case '\n':
		next_line('|');
		return;
	}
	if (screen.at == screen.columns) {
		next_line('!');
		screen.at = 0;
	}
	screen.line[screen.at++] = c;
}

int main(int argc, char **argv)
{
	struct winsize w = { .ws_row = 24 };
	int fd, st, i = 1;
	char buf[4096];
	ssize_t n;
	pid_t pid;

	if (argc == 4 && !strcmp(argv[1], "-c")) {
		screen.columns = atoi(argv[2]);
		i = 3;
	}
	if (i != argc - 1 || screen.columns < 1 || screen.columns > WIDTH) {
		fprintf(stderr, "usage: mkpty [-c COLUMNS] COMMAND\n");
		return 2;
	}
	w.ws_col = (unsigned short)screen.columns;
	clear(0);
	pid = forkpty(&fd, NULL, NULL, &w);
	if (pid < 0) {
		perror("mkpty");
		return 2;
	}
	if (!pid) {
		execl("/bin/bash", "bash", "-c", argv[i], (char *)NULL);
		_exit(127);
	}
	/* The kernel answers EIO when the last one has closed the other side. */
	while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR))
		for (ssize_t k = 0; k < n; k++)
			show(buf[k]);
	tell('=');
	if (waitpid(pid, &st, 0) != pid || fflush(stdout))
		return 2;
	return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}
