/* What a tar may hold beside the bytes that its members are: nothing.  libarchive reads a tar leniently; a bundle is
 * covered by digests, and these blocks are what the digests do not see. */
#ifndef TARSCAN_H
#define TARSCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAR_BLOCK = 512, TAR_MAX_EXT = 1 << 16 };

struct tarscan {
	uint64_t data;                  /* bytes of the current member still to come */
	unsigned pad;                   /* and zeros behind them */
	char block[TAR_BLOCK];          /* a header, so far as it has come */
	size_t have;
	char name[101];                 /* of the member, for messages */
	char type;                      /* of the member */
	bool off;                       /* the end was seen, or something that libarchive will refuse */
	unsigned ext;                   /* extensions that wait for their member: EXT_* */
	char *text;                     /* body of an extension; owned */
	size_t len;
	bool sized;                     /* the extension says the next member's size, */
	uint64_t size;                  /* which is this */
};

/* The next n bytes of the archive.  Padding that is not zero, types of members that no bundle has, and extensions that
 * are empty, repeated or belong to nothing: -1, error set (ST_BAD).  Sums are not checked: who reads on does it. */
int tarscan_bytes(struct tarscan *, const void *p, size_t n);
void tarscan_free(struct tarscan *);

#endif
