/* One thing done aside, by a thread of its own, while the caller does another. */
#ifndef ASIDE_H
#define ASIDE_H

#include <pthread.h>
#include <stdbool.h>

struct aside {                          /* cleared: nothing runs */
	pthread_t thread;
	bool begun, threaded;
	int (*fn)(void *);
	void *arg;
	int r, status;                  /* what it returned; its error state */
	char msg[1024];
};

void aside_start(struct aside *, int (*fn)(void *), void *arg);        /* 0, or -1 with the error state set */
int aside_wait(struct aside *);         /* what it returned, its error state with it; 0 when nothing was begun */
void aside_drop(struct aside *);        /* waits, and leaves the caller's error state alone */

#endif
