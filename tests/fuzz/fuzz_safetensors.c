/* Any bytes as a safetensors file: refused with a message, or read, and then what is written from it reads the same. */
#include "base/err.h"
#include "fuzz.h"
#include "tensor/safetensors.h"

#include <stdlib.h>
#include <string.h>

static void again(const struct st *st)
{
	struct tensor *t = calloc((size_t)st->n + 1, sizeof(*t));
	int *order = calloc((size_t)st->n + 1, sizeof(*order));
	struct st two;
	size_t len;
	void *head;

	require(t && order);
	for (int i = 0; i < st->n; i++)
		t[i] = st->e[i].t;
	head = st_header(t, st->n, st->meta, order, &len);
	require(!st_parse(&two, head, len + st->data, "again") && two.n == st->n && !two.meta == !st->meta);
	for (int i = 0; i < two.n; i++) {
		const struct st_entry *e = st_find(st, two.e[i].t.name);

		require(e && e->t.dt == two.e[i].t.dt && tensor_same_shape(&e->t, &two.e[i].t));
		require(tensor_bytes(&e->t) == e->end - e->begin);
	}
	st_free(&two);
	free(head);
	free(order);
	free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t n;
	uint8_t *head;
	struct st st;

	alloc_limit(size, 256, 1 << 20);
	err_clear();
	n = st_head_size(data, size, size);
	if (!n) {
		require(err_msg()[0]);
		return 0;
	}
	head = malloc(n);               /* no byte more than was promised */
	require(head != NULL);
	memcpy(head, data, n);
	if (!st_parse(&st, head, size, "f")) {
		again(&st);
		st_free(&st);
	} else
		require(err_status() == ST_BAD || err_status() == ST_UNSUP);
	free(head);
	return 0;
}
