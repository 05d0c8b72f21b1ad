#include "tarmut.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { BLOCK = 512, MAX_MEMBERS = 256, AT_SIZE = 124, AT_SUM = 148, AT_TYPE = 156 };

/* libFuzzer's; absent where the corpus is replayed. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));

struct member {
	uint8_t head[BLOCK];
	uint8_t *data;
	size_t size;
};
struct tar {
	struct member m[MAX_MEMBERS];
	int n;
};

static void *copy(const void *p, size_t n)
{
	void *c = malloc(n + 1);

	if (!c)
		abort();
	if (n)
		memcpy(c, p, n);
	return c;
}

static int split(struct tar *t, const uint8_t *p, size_t size)
{
	while (size >= BLOCK && *p && t->n < MAX_MEMBERS) {
		char digits[13] = "";
		size_t n, padded;

		memcpy(digits, p + AT_SIZE, 12);
		n = strtoul(digits, NULL, 8);
		if (n > size - BLOCK)
			n = size - BLOCK;
		padded = (n + BLOCK - 1) / BLOCK * BLOCK;
		if (padded > size - BLOCK)
			padded = size - BLOCK;
		memcpy(t->m[t->n].head, p, BLOCK);
		t->m[t->n].data = copy(p + BLOCK, n);
		t->m[t->n++].size = n;
		p += BLOCK + padded;
		size -= BLOCK + padded;
	}
	return t->n;
}

static void seal(uint8_t *head)
{
	unsigned sum = 0;
	char digits[8];

	memset(head + AT_SUM, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += head[i];
	snprintf(digits, sizeof(digits), "%06o", sum & 0777777);
	memcpy(head + AT_SUM, digits, 7);
}

static size_t join(const struct tar *t, uint8_t *out, size_t max)
{
	size_t at = 0;

	for (int i = 0; i < t->n; i++) {
		const struct member *m = &t->m[i];
		size_t padded = (m->size + BLOCK - 1) / BLOCK * BLOCK;

		if (max - at < BLOCK + padded)
			return 0;
		memcpy(out + at, m->head, BLOCK);
		if (m->size)
			memcpy(out + at + BLOCK, m->data, m->size);
		memset(out + at + BLOCK + m->size, 0, padded - m->size);
		at += BLOCK + padded;
	}
	if (max - at < 2 * BLOCK)
		return 0;
	memset(out + at, 0, 2 * BLOCK);
	return at + 2 * BLOCK;
}

static void resize(struct member *m, size_t n)
{
	char digits[13];

	m->size = n;
	snprintf(digits, sizeof(digits), "%011o", (unsigned)n);
	memcpy(m->head + AT_SIZE, digits, 12);
	seal(m->head);
}

/* What libFuzzer makes of a member's content, a little longer at most. */
static void mutate_data(struct member *m)
{
	size_t cap = m->size + 64;
	uint8_t *p = realloc(m->data, cap + 1);

	if (!p)
		abort();
	m->data = p;
	resize(m, LLVMFuzzerMutate(p, m->size, cap));
}

static void drop(struct tar *t, int i)
{
	free(t->m[i].data);
	memmove(&t->m[i], &t->m[i + 1], (size_t)(t->n - i - 1) * sizeof(*t->m));
	t->n--;
}

static void repeat(struct tar *t, int i)
{
	if (t->n == MAX_MEMBERS)
		return;
	memmove(&t->m[i + 1], &t->m[i], (size_t)(t->n - i) * sizeof(*t->m));
	t->m[i].data = copy(t->m[i].data, t->m[i].size);
	t->n++;
}

static void swap(struct tar *t, int a, int b)
{
	struct member m = t->m[a];

	t->m[a] = t->m[b];
	t->m[b] = m;
}

/* The trailer lists what is there now, if it is JSON still. */
static void retrail(struct tar *t)
{
	struct member *end = &t->m[t->n - 1];
	cJSON *v, *list;
	char *text;

	if (strcmp((char *)end->head, "end.json") || !(v = cJSON_ParseWithLength((char *)end->data, end->size)))
		return;
	list = cJSON_CreateArray();
	for (int i = 0; i < t->n - 1; i++) {
		cJSON *o = cJSON_CreateObject();
		char name[101] = "", hex[17];

		memcpy(name, t->m[i].head, 100);
		snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)XXH3_64bits(t->m[i].data, t->m[i].size));
		cJSON_AddStringToObject(o, "name", name);
		cJSON_AddNumberToObject(o, "size", (double)t->m[i].size);
		cJSON_AddStringToObject(o, "xxh3", hex);
		cJSON_AddItemToArray(list, o);
	}
	if (!cJSON_ReplaceItemInObjectCaseSensitive(v, "members", list))
		cJSON_Delete(list);
	text = cJSON_PrintUnformatted(v);
	cJSON_Delete(v);
	if (!text)
		return;
	free(end->data);
	end->data = copy(text, strlen(text));
	resize(end, strlen(text));
	free(text);
}

size_t tar_mutate(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	struct tar *t = calloc(1, sizeof(*t));
	size_t n = 0;
	int i, k;

	if (!t)
		abort();
	if (seed % 8 && split(t, data, size)) {
		i = (int)(seed / 16 % (unsigned)t->n);
		k = (int)(seed / 4096 % (unsigned)t->n);
		switch (seed / 16 % 16) {
		case 0: drop(t, i); break;
		case 1: repeat(t, i); break;
		case 2: swap(t, i, k); break;
		case 3: case 4:
			LLVMFuzzerMutate(t->m[k].head, BLOCK, BLOCK);
			seal(t->m[k].head);
			break;
		default: mutate_data(&t->m[k]); break;
		}
		if (seed % 8 > 1 && t->n)
			retrail(t);
		n = join(t, data, max);
	}
	for (i = 0; i < t->n; i++)
		free(t->m[i].data);
	free(t);
	return n ? n : LLVMFuzzerMutate(data, size, max);
}
