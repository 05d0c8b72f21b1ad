#include "import/carry.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST ((size_t)512 << 20)        /* bytes of tensors that go together */

struct key {
	int i, step, layer;
	const char *name;
};

static bool digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "mlp.2" before "mlp.10". */
static int natural(const char *a, const char *b)
{
	for (; *a && *b; a++, b++) {
		size_t n, m;

		if (!digit(*a) || !digit(*b)) {
			if (*a != *b)
				return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
			continue;
		}
		n = strspn(a, "0123456789");
		m = strspn(b, "0123456789");
		if (n != m)
			return n < m ? -1 : 1;
		if (memcmp(a, b, n))
			return memcmp(a, b, n);
		a += n - 1;
		b += n - 1;
	}
	return *a ? 1 : *b ? -1 : 0;
}

static int in_order(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	return x->step != y->step ? x->step - y->step : x->layer != y->layer ? x->layer - y->layer :
	       natural(x->name, y->name);
}

static struct key key_of(const struct map *p, int i)
{
	struct key k = { .i = i, .name = p->s->t[i].name };

	k.step = map_step(p, k.name, &k.layer);
	return k;
}

void carry_sort(struct map *p)
{
	struct key *k = xcalloc((size_t)p->ncarry + 1, sizeof(*k));

	for (int i = 0; i < p->ncarry; i++)
		k[i] = key_of(p, p->carry[i]);
	qsort(k, (size_t)p->ncarry, sizeof(*k), in_order);
	for (int i = 0; i < p->ncarry; i++)
		p->carry[i] = k[i].i;
	free(k);
}

int carry_some(const struct map *p, int at)
{
	struct key first = key_of(p, p->carry[at]);
	size_t sum = 0;
	int n = 0;

	for (; at + n < p->ncarry; n++) {
		struct key k = key_of(p, p->carry[at + n]);
		size_t bytes = tensor_bytes(&p->s->t[k.i]);

		if (k.layer != first.layer || (k.layer >= 0 && k.step != first.step) || (n && bytes > MOST - sum))
			break;
		sum += bytes < MOST - sum ? bytes : MOST - sum;
	}
	return n;
}

const char *carry_member(const struct map *p, int at, int k, char *buf)
{
	snprintf(buf, 32, "%s/%04d.safetensors", key_of(p, p->carry[at]).step == MAX_CARRY ? "further" : "vision", k);
	return buf;
}

cJSON *carry_list(const struct map *p)
{
	cJSON *list = json_arr();
	char name[32];

	for (int at = 0, n, k = 0; at < p->ncarry; at += n, k++) {
		cJSON *o = json_obj();
		double bytes = 0;

		n = carry_some(p, at);
		for (int i = at; i < at + n; i++)
			bytes += (double)tensor_bytes(&p->s->t[p->carry[i]]);
		json_put_str(o, "member", carry_member(p, at, k, name));
		json_put_num(o, "tensors", n);
		json_put_num(o, "bytes", bytes);
		json_push(list, o);
		if (k == CARRY_MAX) {
			cJSON_Delete(list);
			err_set(ST_UNSUP, "more than %d layers of what is carried along", CARRY_MAX);
			return NULL;
		}
	}
	return list;
}
