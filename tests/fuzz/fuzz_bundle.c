/* Any bytes as a bundle, once as a file that is mapped and once through a pipe: both say the same, whole or what is
 * wrong; a block that is handed out is one that the model describes; what is whole and passed on is whole again. */
#include "base/err.h"
#include "bundle/bundle.h"
#include "fuzz.h"
#include "tarmut.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	return tar_mutate(data, size, max, seed);
}

static int memory(void)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);

	require(fd >= 0);
	return fd;
}

static const char *path_of(int fd, char *buf)
{
	snprintf(buf, 64, "/proc/self/fd/%d", fd);
	return buf;
}

static void check_block(const struct model *m, const struct block *b)
{
	for (int i = 0; i < b->nt; i++) {
		int64_t dim[MAXDIM], rows = tensor_rows(&b->t[i]), cols = tensor_cols(&b->t[i]);
		enum role r;
		enum part p;
		int nd;
		float *w = malloc((size_t)cols * sizeof(*w));

		require(!role_parse(b->t[i].name, &r, &p, NULL) && role_shape(m, b->index, r, p, &nd, dim) && nd == b->t[i].nd &&
		        !memcmp(dim, b->t[i].dim, (size_t)nd * sizeof(*dim)));
		require(w && !block_f32(b, i, rows - 1, rows, w));
		free(w);
	}
}

struct result {
	int r;                          /* of the last call */
	int status;
	uint64_t digest;
};

static struct result read_all(const char *path)
{
	struct bundle_in *in = bundle_open(path);
	struct result res = { -1, 0, 0 };
	struct arena mem = { 0 };
	struct member m;
	struct block b;
	void *buf;
	size_t len;
	int n = 0;

	if (in)
		while ((res.r = bundle_next(in, &m)) > 0) {
			if (n++ % 3 == 2)       /* some are skipped */
				continue;
			res.r = m.kind == M_BLOCK ? bundle_get_block(in, &b) : bundle_get_bytes(in, &mem, 1 << 20, &buf, &len);
			if (res.r < 0)
				break;
			if (m.kind == M_BLOCK) {
				check_block(bundle_model(in), &b);
				block_free(&b);
			}
		}
	if (res.r < 0)
		res.status = err_status();
	else {
		require(bundle_end(in) != NULL);
		res.digest = bundle_digest(in);
		require(!bundle_next(in, &m));
	}
	arena_free(&mem);
	if (in)
		bundle_close(in);
	return res;
}

/* Copies a whole bundle; the copy is whole. */
static void pass_on(const char *path)
{
	struct bundle_in *in = bundle_open(path);
	struct bundle_out *out = NULL;
	struct member m;
	struct result again;
	const cJSON *ledger;
	char name[64], copy[64];
	int fd;

	snprintf(copy, sizeof(copy), "%s/fuzz_bundle.%ld", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (long)getpid());
	require(in && (out = bundle_create(copy, cJSON_Duplicate(bundle_manifest(in), 1))));
	while (bundle_next(in, &m) > 0)
		require(!bundle_pass(out, in));
	ledger = cJSON_GetObjectItemCaseSensitive(bundle_end(in), "ledger");
	require(!bundle_finish(out, ledger ? cJSON_Duplicate(ledger, 1) : NULL, bundle_report(in)));
	bundle_close(in);
	fd = open(copy, O_RDONLY | O_CLOEXEC);
	unlink(copy);
	again = read_all(path_of(fd, name));
	require(!again.r);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result file, stream;
	int fd = memory(), pipes[2];
	char name[64];

	alloc_limit(size, 256, 8 << 20);
	require(write(fd, data, size) == (ssize_t)size);
	file = read_all(path_of(fd, name));
	require(file.r <= 0 && (!file.r || file.status == ST_BAD || file.status == ST_UNSUP));
	if (size <= 1 << 16) {
		require(!pipe2(pipes, O_CLOEXEC) && write(pipes[1], data, size) == (ssize_t)size);
		close(pipes[1]);
		stream = read_all(path_of(pipes[0], name));
		close(pipes[0]);
		require(file.r == stream.r && file.status == stream.status && file.digest == stream.digest);
	}
	if (!file.r)
		pass_on(path_of(fd, name));
	close(fd);
	return 0;
}
