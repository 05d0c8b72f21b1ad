#include "base/aside.h"

#include "base/err.h"

#include <stdio.h>

static void *run(void *arg)
{
	struct aside *a = arg;

	a->r = a->fn(a->arg);
	if (a->r < 0) {
		a->status = err_status();
		snprintf(a->msg, sizeof(a->msg), "%s", err_msg());
	}
	return NULL;
}

void aside_start(struct aside *a, int (*fn)(void *), void *arg)
{
	a->fn = fn;
	a->arg = arg;
	a->begun = true;
	a->threaded = !pthread_create(&a->thread, NULL, run, a);
	if (!a->threaded)               /* then one after the other */
		run(a);
}

void aside_drop(struct aside *a)
{
	if (a->begun && a->threaded)
		pthread_join(a->thread, NULL);
	a->begun = false;
}

int aside_wait(struct aside *a)
{
	bool begun = a->begun;

	aside_drop(a);
	if (!begun || a->r >= 0)
		return begun ? a->r : 0;
	return err_set(a->status, "%s", a->msg);
}
