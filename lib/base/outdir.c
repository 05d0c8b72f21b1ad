/* A directory of output: out.h. */
#include "base/outint.h"

#include "base/err.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct out_dir {
	char *name, *final, *path;      /* for messages; where it will stand; where it is being made */
	struct temp *temp;              /* NULL: --resume */
	struct temp **file;             /* [nfile], inside it */
	size_t nfile, cap;
	struct journal *journal;        /* --resume */
};

static bool dir_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	bool empty = true;

	if (!d)
		die(ST_FAIL, "cannot read directory '%s': %s", path, strerror(errno));
	while (empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	closedir(d);
	return empty;
}

static void refuse_full(const struct out_dir *d)
{
	die(ST_USAGE, "directory '%s' is not empty", d->name);
}

/* Says what is wrong with the name, at the start.  *full: something is in it. */
static struct out_dir *dir_new(const char *path, bool *full)
{
	struct out_dir *d = xcalloc(1, sizeof(*d));
	struct stat sb, here;
	size_t len;

	d->name = xstrdup(path);
	for (len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
		d->name[len - 1] = '\0';
	if (!*d->name)
		die(ST_USAGE, "the output directory has no name");
	*full = false;
	if (!stat(d->name, &sb)) {
		if (!S_ISDIR(sb.st_mode))
			die(ST_USAGE, "'%s' is there and is not a directory", d->name);
		if (!stat(".", &here) && here.st_ino == sb.st_ino && here.st_dev == sb.st_dev)
			die(ST_USAGE, "'%s' is the working directory, which cannot be replaced: name another", d->name);
		*full = !dir_empty(d->name);
	}
	d->final = resolve_path(d->name);
	return d;
}

struct out_dir *dir_open(const char *path)
{
	bool full;
	struct out_dir *d = dir_new(path, &full);

	if (full)
		refuse_full(d);
	d->temp = temp_create(d->final, true, NULL);
	if (!d->temp)
		die(ST_FAIL, "cannot create directory '%s': %s", d->name, strerror(errno));
	d->path = xstrdup(temp_path(d->temp));
	return d;
}

/* The file of a step is there as it was written. */
static bool whole(const struct out_dir *d, const cJSON *step)
{
	XXH3_state_t *h = sum_new();
	const char *name, *said;
	char hex[17], *path;
	struct stat sb;
	int64_t size;
	bool good = false;
	int fd;

	if (json_str(step, "file", &name) > 0 && !strchr(name, '/') && json_str(step, "sum", &said) > 0 &&
	    json_int(step, "size", 0, INT64_MAX, &size) > 0) {
		path = xasprintf("%s/%s", d->path, name);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd >= 0 && !fstat(fd, &sb) && S_ISREG(sb.st_mode) && sb.st_size == size &&
		    sum_range(fd, 0, (uint64_t)size, h)) {
			snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)XXH3_64bits_digest(h));
			good = !strcmp(hex, said);
		}
		if (fd >= 0)
			close(fd);
		free(path);
	}
	XXH3_freeState(h);
	return good;
}

/* Files that belong to no step go. */
static void sweep(const struct out_dir *d)
{
	DIR *dir = opendir(d->path);
	struct dirent *e;

	if (!dir)
		die(ST_FAIL, "cannot read directory '%s': %s", d->path, strerror(errno));
	while ((e = readdir(dir))) {
		const char *name = "";
		int k = 0, n = journal_steps(d->journal);

		while (k < n && (json_str(journal_step(d->journal, k), "file", &name) <= 0 || strcmp(name, e->d_name)))
			k++;
		if (k == n && strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && unlinkat(dirfd(dir), e->d_name, 0))
			die(ST_FAIL, "cannot remove '%s/%s': %s", d->path, e->d_name, strerror(errno));
	}
	closedir(dir);
}

static void dir_free(struct out_dir *d)
{
	free(d->file);
	free(d->final);
	free(d->path);
	free(d->name);
	free(d);
}

/* As a number that JSON holds. */
static double inode(const struct stat *sb)
{
	return (double)(sb->st_ino & (((uint64_t)1 << 53) - 1));
}

/* Did the run that was stopped get its directory renamed, and no further? */
static bool complete(const struct out_dir *d)
{
	int n = journal_steps(d->journal);
	struct stat sb;
	double done;

	return n && json_num(journal_step(d->journal, n - 1), "done", &done) > 0 && !stat(d->final, &sb) &&
	       inode(&sb) == done;
}

struct out_dir *dir_resume(const char *path, cJSON *key)
{
	bool full;
	struct out_dir *d = dir_new(path, &full);
	char *journal = beside(d->final, "journal");
	struct stat sb;
	int k = 0;

	temp_arm();
	if (full && access(journal, F_OK))
		refuse_full(d);
	free(journal);
	d->path = beside(d->final, "part");
	d->journal = journal_open(d->final, d->name, key);
	if (complete(d)) {
		journal_remove(d->journal);
		dir_free(d);
		return NULL;
	}
	if (full)
		refuse_full(d);
	if (mkdir(d->path, 0777) && errno != EEXIST)
		die(ST_FAIL, "cannot create directory '%s': %s", d->path, strerror(errno));
	if (lstat(d->path, &sb) || !S_ISDIR(sb.st_mode) || sb.st_uid != geteuid())
		die(ST_BAD, "'%s' is not ours", d->path);
	while (k < journal_steps(d->journal) && whole(d, journal_step(d->journal, k)))
		k++;
	journal_cut(d->journal, k);
	sweep(d);
	err_clear();
	return d;
}

struct journal *dir_journal(struct out_dir *d)
{
	return d->journal;
}

struct out *dir_file(struct out_dir *d, const char *name)
{
	char *path, *shown;
	struct out *o;
	int fd;

	/* Names come from bundles. */
	if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		die(ST_BAD, "'%s' is not the name of a file in '%s'", name, d->name);
	path = xasprintf("%s/%s", d->path, name);
	shown = xasprintf("%s/%s", d->name, name);
	if (!d->journal) {
		/* The directory is nobody else's: whatever has this name may go. */
		d->file = xgrow(d->file, d->nfile + 1, &d->cap, sizeof(*d->file));
		d->file[d->nfile++] = temp_enlist(path);
	}
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		die(ST_BAD, "file '%s' comes twice", shown);
	if (fd < 0)
		die(ST_FAIL, "cannot create '%s': %s", shown, strerror(errno));
	o = out_new(fd, shown);
	if (d->journal) {
		o->sum = sum_new();
		free(path);
	} else
		o->temp = d->file[d->nfile - 1];
	free(shown);
	return o;
}

void dir_step(struct out_dir *d, struct out *o, cJSON *step)
{
	if (!d->journal) {
		cJSON_Delete(step);
		out_commit(o);
		return;
	}
	json_put_str(step, "file", strrchr(o->name, '/') + 1);
	json_put_num(step, "size", (double)o->at);
	key_digest(step, "sum", XXH3_64bits_digest(o->sum));
	out_commit(o);
	journal_add(d->journal, step, -1);
}

/* What is renamed cannot be told from somebody else's directory but by this. */
static void mark_done(struct out_dir *d, int fd)
{
	cJSON *step = json_obj();
	struct stat sb;

	if (fstat(fd, &sb))
		die(ST_FAIL, "cannot stat '%s': %s", d->path, strerror(errno));
	json_put_num(step, "done", inode(&sb));
	journal_add(d->journal, step, -1);
	journal_sync(d->journal);
}

void dir_commit(struct out_dir *d)
{
	int fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (d->journal && fd >= 0)
		mark_done(d, fd);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	if (rename(d->path, d->final))
		die(ST_FAIL, "cannot rename '%s' to '%s': %s", d->path, d->name, strerror(errno));
	for (size_t i = 0; i < d->nfile; i++)
		temp_keep(d->file[i]);
	if (d->temp)
		temp_keep(d->temp);
	sync_parent(d->final);
	if (d->journal)
		journal_remove(d->journal);
	dir_free(d);
}

void dir_abort(struct out_dir *d)
{
	if (!d->journal) {
		for (size_t i = d->nfile; i > 0; i--)
			temp_drop(d->file[i - 1]);
		temp_drop(d->temp);
	} else if (journal_steps(d->journal))
		journal_close(d->journal);
	else {                          /* nothing was done that is worth keeping */
		sweep(d);
		rmdir(d->path);
		journal_remove(d->journal);
	}
	dir_free(d);
}
