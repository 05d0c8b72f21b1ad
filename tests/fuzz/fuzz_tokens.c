/* Any bytes as a token set, a bundle or a safetensors file: refused with a message, or ids that a model can hold
 * against its vocabulary, cut, write and read back. */
#include "base/err.h"
#include "data/tokens.h"
#include "fuzz.h"
#include "tarmut.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	return tar_mutate(data, size, max, seed);
}

static void use(struct tokens *t)
{
	int64_t N = t->N, T = t->T;
	uint64_t digest = t->digest;

	require(N >= 1 && T >= 1);
	for (int64_t i = 0; i < N * T; i++)
		require(t->ids[i] >= 0);
	if (tokens_check(t, 1 << 10))
		require(err_status() == ST_BAD);
	require(tokens_limit(t, N + 1, 0) && tokens_limit(t, 0, T + 1));
	require(!tokens_limit(t, 0, 0) && t->digest == digest);
	require(!tokens_limit(t, 1, (T + 1) / 2) && t->N == 1 && t->T == (T + 1) / 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("tokens", MFD_CLOEXEC);
	struct tokens t;
	char path[64];

	alloc_limit(size, 256, 8 << 20);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	err_clear();
	if (tokens_load(&t, path) < 0)
		require((err_status() == ST_BAD || err_status() == ST_UNSUP) && *err_msg());
	else {
		use(&t);
		tokens_free(&t);
	}
	close(fd);
	return 0;
}
