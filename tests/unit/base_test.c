/* Errors, generator, pool. */
#include "base/err.h"
#include "base/pool.h"
#include "base/rng.h"

#include "child.h"
#include "tap.h"

#include <stdint.h>

static void dies(void *arg)
{
	prog = "llmc-x";
	die(ST_BAD, "cannot read '%s'", (const char *)arg);
}

static void dies_err(void *arg)
{
	prog = "llmc-x";
	err_set(ST_UNSUP, "no such thing");
	err_at("block %d", *(int *)arg);
	die_err();
}

static void talks(void *arg)
{
	prog = "llmc-x";
	verbose = *(int *)arg;
	warn("w");
	say(0, "zero");
	say(1, "one");
	say(2, "two");
}

static void test_errors(void)
{
	char longname[4000], wild[] = "a\nb\033[2J";
	struct child c;
	int n = 17;

	ok(err_set(ST_BAD, "x %d", 1) == -1 && err_status() == ST_BAD, "err_set returns -1 and keeps the status");
	is_str(err_msg(), "x 1", "and the message");
	ok(err_at("file '%s'", "f") == -1 && err_status() == ST_BAD, "err_at keeps the status");
	is_str(err_msg(), "file 'f': x 1", "and puts the place before the message");
	memset(longname, 'a', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	err_set(ST_BAD, "%s", longname);
	ok(strlen(err_msg()) == 1023, "a long message is cut");
	err_at("%s", longname);
	ok(strlen(err_msg()) == 1023, "also after err_at");
	err_clear();
	is_str(err_msg(), "unknown error", "err_clear");

	c = child_run(dies, wild);
	is_int(c.status, ST_BAD, "die exits with its status");
	is_str(c.err, "llmc-x: cannot read 'a?b?[2J'\n", "control characters do not reach the terminal");
	c = child_run(dies, longname);
	ok(c.status == ST_BAD && strlen(c.err) < 1300 && c.err[strlen(c.err) - 1] == '\n',
	   "a long message is one line");
	c = child_run(dies_err, &n);
	is_int(c.status, ST_UNSUP, "die_err exits with the error's status");
	is_str(c.err, "llmc-x: block 17: no such thing\n", "and its message");
	n = -1;
	is_str(child_run(talks, &n).err, "", "quiet");
	n = 0;
	is_str(child_run(talks, &n).err, "llmc-x: w\nllmc-x: zero\n", "neither quiet nor verbose");
	n = 1;
	is_str(child_run(talks, &n).err, "llmc-x: w\nllmc-x: zero\nllmc-x: one\n", "verbose");
}

/* The published outputs: splitmix64 from 1234567, xoshiro256** from state 1, 2, 3, 4. */
static void test_rng(void)
{
	static const uint64_t mix[] = {
		6457827717110365317u, 3203168211198807973u, 9817491932198370423u, 4593380528125082431u
	};
	static const uint64_t xo[] = { 11520, 0, 1509978240, 1215971899390074240u, 1216172134540287360u,
		607988272756665600u, 16172922978634559625u };
	struct rng r;
	double sum = 0, sq = 0;
	uint64_t seen[7] = { 0 };
	bool good = true;

	rng_seed(&r, 1234567);
	ok(!memcmp(r.s, mix, sizeof(mix)), "seeding is splitmix64");
	r = (struct rng){ { 1, 2, 3, 4 } };
	for (int i = 0; i < 7; i++)
		good &= rng_next(&r) == xo[i];
	ok(good, "the sequence is xoshiro256**");
	rng_seed(&r, 7);
	for (int i = 0; i < 70000; i++)
		seen[rng_below(&r, 7)]++;
	good = true;
	for (int i = 0; i < 7; i++)
		good &= seen[i] > 9600 && seen[i] < 10400;      /* 4 sigma = 370 */
	ok(good, "rng_below is uniform");
	ok(rng_below(&r, 1) == 0, "below 1 is 0");
	good = true;
	for (int i = 0; i < 100000; i++) {
		double x = rng_normal(&r), u = rng_unit(&r);

		sum += x;
		sq += x * x;
		good &= u >= 0 && u < 1;
	}
	ok(good, "rng_unit is in [0, 1)");
	is_near(sum / 1e5, 0, 0.013, "rng_normal: mean");       /* 4 sigma */
	is_near(sq / 1e5, 1, 0.018, "rng_normal: variance");
}

static int64_t slot[1000];
static int worker_bad;

static void mark(void *arg, int64_t i, int worker)
{
	worker_bad |= worker < 0 || worker >= pool_threads();
	slot[i] += *(int64_t *)arg + i;
}

static bool marked(int64_t n, int64_t add)
{
	bool good = true;

	memset(slot, 0, sizeof(slot));
	pool_for(n, mark, &add);
	for (int64_t i = 0; i < 1000; i++)
		good &= slot[i] == (i < n ? add + i : 0);
	return good;
}

static void test_pool(void)
{
	bool good = true;

	ok(pool_threads() == 1 && marked(1000, 3), "pool_for without a pool");
	pool_start(4);
	is_int(pool_threads(), 4, "four threads");
	for (int round = 0; round < 500; round++)
		good &= marked(round % 5 ? 1000 : round % 3, round);
	ok(good && !worker_bad, "every item once, in every round");
}

int main(void)
{
	plan(0);
	test_errors();
	test_rng();
	test_pool();
	return done();
}
