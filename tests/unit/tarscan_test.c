/* The strict look at a tar: that what our writer and others write passes, members beyond 8 GiB among them, in pieces of
 * any size.  What is refused is in hostile_bundle.bats. */
#include "base/err.h"
#include "base/mem.h"
#include "bundle/tarscan.h"
#include "tap.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

/* libarchive keeps a little of an archive that was given up, which no real one of ours is. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libarchive";
}

static char buf[1 << 16];
static size_t used;

static la_ssize_t keep(struct archive *a, void *arg, const void *p, size_t n)
{
	(void)arg;
	if (n > sizeof(buf) - used) {
		archive_set_error(a, 1, "full");
		return -1;
	}
	memcpy(buf + used, p, n);
	used += n;
	return (la_ssize_t)n;
}

/* The headers of a member, as libarchive writes them. */
static void head(const char *name, int64_t size, int (*format)(struct archive *))
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();

	used = 0;
	format(a);
	archive_write_set_bytes_per_block(a, 0);
	archive_write_open(a, NULL, NULL, keep, NULL);
	archive_entry_set_pathname(e, name);
	archive_entry_set_size(e, size);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_perm(e, 0644);
	if (archive_write_header(a, e) != ARCHIVE_OK)
		die(ST_FAIL, "%s", archive_error_string(a));
	archive_entry_free(e);
	archive_write_fail(a);
	archive_write_free(a);
}

/* The whole buffer in pieces of n bytes; what the member's size is then, or -1. */
static int64_t scan(size_t n)
{
	struct tarscan t = { 0 };
	int64_t size = -1;

	for (size_t at = 0; at < used; at += n)
		if (tarscan_bytes(&t, buf + at, used - at < n ? used - at : n) < 0) {
			tarscan_free(&t);
			return -1;
		}
	if (!t.have && !t.off)
		size = (int64_t)t.data;
	tarscan_free(&t);
	return size;
}

int main(void)
{
	static const struct {
		const char *what;
		int (*format)(struct archive *);
	} f[] = {
		{ "restricted pax", archive_write_set_format_pax_restricted }, { "pax", archive_write_set_format_pax },
		{ "GNU", archive_write_set_format_gnutar }
	};
	static const int64_t sizes[] = { 0, 1, 512, 0x1ffffffff, 0x200000000, 0x3ffffffffff };
	char name[201];

	plan(0);
	memset(name, 'n', 200);
	name[100] = '/';
	name[200] = '\0';
	for (size_t i = 0; i < sizeof(f) / sizeof(*f); i++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
			head(k % 2 ? name : "short", sizes[k], f[i].format);
			ok(scan(used) == sizes[k] && scan(1) == sizes[k] && scan(511) == sizes[k] && scan(513) == sizes[k],
			   "%s: a member of %lld bytes, its headers of %zu", f[i].what, (long long)sizes[k], used);
		}
	return done();
}
