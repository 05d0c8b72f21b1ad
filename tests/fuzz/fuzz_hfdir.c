/* Any bytes as a checkpoint's directory: config.json, a NUL, the index, a NUL, a weights file, which stands there twice.
 * Refused with a message, or every tensor lies in a file and is read. */
#include "base/err.h"
#include "fuzz.h"
#include "import/source.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void write_file(const char *name, const void *p, size_t n)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	require(fd >= 0 && write(fd, p, n) == (ssize_t)n && !close(fd));
}

static void leave(void)
{
	static const char *const name[] = { "config.json", "model.safetensors.index.json", "a.safetensors", "b.safetensors" };
	char path[128];

	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, name[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void enter(void)
{
	if (*dir)
		return;
	snprintf(dir, sizeof(dir), "%s/fuzz_hfdir.%ld", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (long)getpid());
	require(!mkdir(dir, 0700) && !atexit(leave));
}

/* Up to a NUL, or all there is; moves on behind it. */
static size_t part(const uint8_t **data, size_t *size, const uint8_t **p)
{
	const uint8_t *nul = *size ? memchr(*data, 0, *size) : NULL;
	size_t n = nul ? (size_t)(nul - *data) : *size, skip = nul ? n + 1 : n;

	*p = *data;
	*data += skip;
	*size -= skip;
	return n;
}

static void read_all(struct source *s, size_t size)
{
	for (int i = 0; i < s->nt; i++) {
		size_t n = tensor_bytes(&s->t[i]);
		void *p;

		require(n <= size && *s->t[i].name);
		p = malloc(n + 1);
		require(p && !source_read(s, i, p));
		free(p);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *config, *index;
	size_t nc, ni;
	struct source *s;

	verbose = -1;
	enter();
	alloc_limit(size, 256, 1 << 20);
	nc = part(&data, &size, &config);
	ni = part(&data, &size, &index);
	write_file("config.json", config, nc);
	write_file("model.safetensors.index.json", index, ni);
	write_file("a.safetensors", data, size);
	write_file("b.safetensors", data, size);
	err_clear();
	s = source_open(dir, DT_NONE);
	if (!s) {
		require((err_status() == ST_BAD || err_status() == ST_UNSUP) && *err_msg());
		return 0;
	}
	read_all(s, size);
	source_close(s);
	return 0;
}
