/* A trie of byte strings: which entries does a text begin with? */
#ifndef TRIE_H
#define TRIE_H

#include <stddef.h>
#include <stdint.h>

struct trie {
	int32_t *value;                 /* of the entry that ends at a node; -1: none.  Node 0 is the root */
	size_t n, cap;
	uint64_t *edge;                 /* hash table: (node << 8 | byte) << 32 | child; 0: an empty slot */
	size_t nedge;
	int32_t root[256];              /* the root's children; 0: none */
};

enum { TRIE_NODES = 1 << 24 };

void trie_init(struct trie *);
/* The first of equals stays.  -1: more nodes than TRIE_NODES, error set. */
int trie_put(struct trie *, const char *s, size_t n, int32_t value);
int32_t trie_child(const struct trie *, int32_t node, uint8_t byte);            /* 0: none */
/* Bytes of the longest entry that s starts with, its value in *value; 0: none. */
size_t trie_longest(const struct trie *, const char *s, size_t n, int32_t *value);
void trie_free(struct trie *);

#endif
