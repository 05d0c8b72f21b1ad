#include "data/trie.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void trie_init(struct trie *t)
{
	memset(t, 0, sizeof(*t));
}

void trie_free(struct trie *t)
{
	free(t->value);
	free(t->edge);
	trie_init(t);
}

static size_t slot_of(const struct trie *t, uint32_t key)
{
	size_t k = (size_t)((uint64_t)key * 0x9e3779b97f4a7c15u >> 32) & (t->nedge - 1);

	while (t->edge[k] && (uint32_t)(t->edge[k] >> 32) != key)
		k = (k + 1) & (t->nedge - 1);
	return k;
}

int32_t trie_child(const struct trie *t, int32_t node, uint8_t byte)
{
	if (node == 0)
		return t->root[byte];
	return t->nedge ? (int32_t)(uint32_t)t->edge[slot_of(t, (uint32_t)node << 8 | byte)] : 0;
}

static void grow(struct trie *t)
{
	uint64_t *old = t->edge;
	size_t n = t->nedge;

	t->nedge = n ? 2 * n : 64;
	t->edge = xcalloc(t->nedge, sizeof(*t->edge));
	for (size_t i = 0; i < n; i++)
		if (old[i])
			t->edge[slot_of(t, (uint32_t)(old[i] >> 32))] = old[i];
	free(old);
}

static int32_t add(struct trie *t, int32_t node, uint8_t byte)
{
	uint32_t key = (uint32_t)node << 8 | byte;
	int32_t k = (int32_t)t->n;

	t->value = xgrow(t->value, t->n + 1, &t->cap, sizeof(*t->value));
	t->value[t->n++] = -1;
	if (node == 0) {
		t->root[byte] = k;
		return k;
	}
	if (2 * t->n > t->nedge)
		grow(t);
	t->edge[slot_of(t, key)] = (uint64_t)key << 32 | (uint32_t)k;
	return k;
}

int trie_put(struct trie *t, const char *s, size_t n, int32_t value)
{
	int32_t at = 0;

	if (t->n + n >= TRIE_NODES)
		return err_set(ST_UNSUP, "more than %d characters of tokens", TRIE_NODES);
	if (!t->n) {
		t->value = xgrow(t->value, 1, &t->cap, sizeof(*t->value));
		t->value[t->n++] = -1;
	}
	for (size_t i = 0; i < n; i++) {
		int32_t k = trie_child(t, at, (uint8_t)s[i]);

		at = k ? k : add(t, at, (uint8_t)s[i]);
	}
	if (at && t->value[at] < 0)
		t->value[at] = value;
	return 0;
}

size_t trie_longest(const struct trie *t, const char *s, size_t n, int32_t *value)
{
	int32_t at = 0;
	size_t hit = 0;

	for (size_t i = 0; i < n; i++) {
		at = trie_child(t, at, (uint8_t)s[i]);
		if (!at)
			break;
		if (t->value[at] >= 0) {
			hit = i + 1;
			*value = t->value[at];
		}
	}
	return hit;
}
