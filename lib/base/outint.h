/* What files and directories of output share: out.c, outdir.c. */
#ifndef OUTINT_H
#define OUTINT_H

#include "base/journal.h"
#include "base/out.h"
#include "base/temp.h"

#include <xxhash.h>

struct out {
	int fd;
	char *name;                     /* the target, for messages */
	char *final;                    /* what the temporary is renamed to; NULL: written in place */
	struct temp *temp;              /* NULL: none, or one that stays */
	char *part;                     /* --resume: path of the temporary */
	struct journal *journal;        /* --resume, a file's; NULL within a directory */
	XXH3_state_t *sum;              /* of all bytes that were written; --resume */
	uint64_t at;                    /* and their number */
	uint64_t given, begun;          /* bytes handed to the system, and of them begun to be written to the disk */
	bool std;                       /* stdout: never closed */
	char *buf;
	size_t n;
};

struct out *out_new(int fd, const char *name);
/* Digests the file's bytes [at, end) into h; false: they are not all there. */
bool sum_range(int fd, uint64_t at, uint64_t end, XXH3_state_t *h);
XXH3_state_t *sum_new(void);              /* dies on no memory */

#endif
