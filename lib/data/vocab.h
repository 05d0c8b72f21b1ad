/* A vocabulary: spellings to ids and back.  Strings are borrowed: whoever fills it keeps them. */
#ifndef VOCAB_H
#define VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vent {
	const char *s;
	uint32_t len;
	int32_t id;
};

struct vocab {
	struct vent *e;                 /* in the order added */
	size_t n, cap;
	uint32_t *slot;                 /* index into e, plus one; a power of two of them */
	size_t nslot;
	int32_t *by_id;                 /* index into e, or -1 */
	int32_t max_id;                 /* -1 when empty */
};

void vocab_init(struct vocab *, size_t expect);
/* -1: the spelling is there already, or the id is below 0; error set (ST_BAD). */
int vocab_add(struct vocab *, const char *s, size_t len, int32_t id);
/* The same, but of equal spellings the later one is found by vocab_find; each id keeps its own. */
int vocab_put(struct vocab *, const char *s, size_t len, int32_t id);
/* After the last vocab_add.  -1: ids so far apart that a table of them would dwarf the file. */
int vocab_done(struct vocab *);
int32_t vocab_find(const struct vocab *, const char *s, size_t len);            /* -1: not there */
const struct vent *vocab_entry(const struct vocab *, int32_t id);               /* NULL: none */
void vocab_free(struct vocab *);

#endif
