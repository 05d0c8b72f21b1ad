#include "base/pool.h"

#include "base/err.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MAX_THREADS = 1024 };

static struct {
	int n;                          /* workers, the caller included */
	pthread_mutex_t lock;
	pthread_cond_t go, done;
	unsigned round;                 /* counts jobs; a worker waits for it to move */
	int busy;                       /* workers not yet finished with this round */
	int64_t items;
	atomic_int_fast64_t next;
	void (*fn)(void *, int64_t, int);
	void *arg;
} pool = { 1, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0, 0, 0 };

static void drain(int worker)
{
	int64_t i;

	while ((i = atomic_fetch_add(&pool.next, 1)) < pool.items)
		pool.fn(pool.arg, i, worker);
}

static void *worker_main(void *arg)
{
	int worker = (int)(intptr_t)arg;
	unsigned seen = 0;

	pthread_mutex_lock(&pool.lock);
	for (;;) {
		while (pool.round == seen)
			pthread_cond_wait(&pool.go, &pool.lock);
		seen = pool.round;
		pthread_mutex_unlock(&pool.lock);
		drain(worker);
		pthread_mutex_lock(&pool.lock);
		if (--pool.busy == 0)
			pthread_cond_signal(&pool.done);
	}
	return NULL;
}

void pool_start(int threads)
{
	if (threads <= 0)
		threads = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (threads < 1)
		threads = 1;
	if (threads > MAX_THREADS)
		threads = MAX_THREADS;
	for (; pool.n < threads; pool.n++) {
		pthread_t t;

		if (pthread_create(&t, NULL, worker_main, (void *)(intptr_t)pool.n))
			break;                  /* fewer threads, the same results */
		pthread_detach(t);
	}
}

int pool_threads(void)
{
	return pool.n;
}

void pool_for(int64_t n, void (*fn)(void *, int64_t, int), void *arg)
{
	if (pool.n == 1 || n <= 1) {
		for (int64_t i = 0; i < n; i++)
			fn(arg, i, 0);
		return;
	}
	pthread_mutex_lock(&pool.lock);
	pool.fn = fn;
	pool.arg = arg;
	pool.items = n;
	atomic_store(&pool.next, 0);
	pool.busy = pool.n - 1;
	pool.round++;
	pthread_cond_broadcast(&pool.go);
	pthread_mutex_unlock(&pool.lock);
	drain(0);
	pthread_mutex_lock(&pool.lock);
	while (pool.busy)
		pthread_cond_wait(&pool.done, &pool.lock);
	pthread_mutex_unlock(&pool.lock);
}
