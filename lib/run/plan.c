#include "run/plan.h"

#include "base/err.h"
#include "base/json.h"
#include "base/opt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reading, hashing and writing of blocks, bytes a second: hashing and copying, on a machine of our time. */
static const double THROUGH = 1e9;

double process_bytes(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f && fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double elements(const struct model *m, int index, int piece)
{
	struct want w = WANT_FIRST;
	double n = 0;

	while (piece_wants(m, index, piece, &w))
		n += (double)want_count(&w);
	return n;
}

double plan_piece(const struct plan *p, const struct model *m, int index, int piece)
{
	return p->element * elements(m, index, piece);
}

double plan_layer(const struct plan *p, const struct model *m, int index)
{
	double n = 0;

	for (int k = 0; k < layer_pieces(m, index); k++)
		n += plan_piece(p, m, index, k);
	return n;
}

int plan_begin(struct plan *p, struct bundle_in *in)
{
	struct member m;
	int r;

	memset(p, 0, sizeof(*p));
	p->mapped = bundle_mapped(in);
	while (!p->element && (r = bundle_next(in, &m)) != 0) {
		if (r < 0)
			return -1;
		if (m.kind == M_BLOCK && m.blk == BLK_KIND_EMBED)
			p->embed = (double)m.size;
		if (m.kind == M_BLOCK && m.blk == BLK_KIND_DENSE)
			p->element = (double)m.size / elements(bundle_model(in), m.index, m.piece);
	}
	p->base = process_bytes();
	return 0;
}

int plan_stage(struct plan *p, const char *name)
{
	for (int i = 0; i < p->n; i++)
		if (!strcmp(p->stage[i].name, name))
			return i;
	if (p->n == PLAN_STAGES)
		die(ST_FAIL, "a plan of more than %d stages", PLAN_STAGES);
	p->stage[p->n].name = name;
	p->stage[p->n].memory = p->base;
	return p->n++;
}

void plan_memory(struct plan *p, int i, double bytes)
{
	if (p->base + bytes > p->stage[i].memory)
		p->stage[i].memory = p->base + bytes;
}

void plan_flops(struct plan *p, int i, double flops, bool mm, double share)
{
	double rate = (mm ? p->mm : p->f32) * share;

	p->stage[i].flops += flops;
	if (rate > 0)
		p->stage[i].seconds += flops / rate;
}

void plan_bytes(struct plan *p, int i, double bytes)
{
	p->stage[i].seconds += bytes / THROUGH;
}

void plan_output(struct plan *p, int i, double bytes)
{
	if (common.output && strcmp(common.output, "-"))
		p->stage[i].disk += bytes;
}

static void add(struct plan *p, int total)
{
	for (int i = 0; i < total; i++) {
		if (p->stage[i].memory > p->stage[total].memory)
			p->stage[total].memory = p->stage[i].memory;
		p->stage[total].disk += p->stage[i].disk;
		p->stage[total].flops += p->stage[i].flops;
		p->stage[total].seconds += p->stage[i].seconds;
	}
}

void plan_print(const struct plan *given)
{
	struct plan sum = *given, *p = &sum;
	cJSON *list = json_arr();
	char *text;

	add(p, plan_stage(p, "total"));
	if (!common.json)
		puts("#stage\tmemory_mb\tdisk_mb\tgflop\tseconds");
	for (int i = 0; i < p->n; i++) {
		cJSON *o = json_obj();

		if (!common.json)
			printf("%s\t%.1f\t%.1f\t%.1f\t%.2f\n", p->stage[i].name, p->stage[i].memory / 1e6,
			       p->stage[i].disk / 1e6, p->stage[i].flops / 1e9, p->stage[i].seconds);
		json_put_str(o, "stage", p->stage[i].name);
		json_put_num(o, "memory", p->stage[i].memory);
		json_put_num(o, "disk", p->stage[i].disk);
		json_put_num(o, "flops", p->stage[i].flops);
		json_put_num(o, "seconds", p->stage[i].seconds);
		json_push(list, o);
	}
	if (common.json) {
		text = json_text(list, false);
		puts(text);
		free(text);
	}
	cJSON_Delete(list);
}

static double weights(const struct model *m, int index, double expert)
{
	struct want w = WANT_FIRST;
	double n = 0;

	while (model_wants(m, index, &w))
		if (model_linear(m, index, w.role) && w.part == P_WEIGHT)
			n += (double)w.dim[0] * (double)w.dim[1] * (role_expert(w.role) ? expert : 1);
	return n;
}

double layer_weights(const struct model *m, int index)
{
	return weights(m, index, 1);
}

/* A causal query sees half of the keys, and meets each twice: in its score and in the sum. */
double layer_flops(const struct model *m, int index, int T)
{
	if (m->cross[index])
		return 0;
	return 2 * weights(m, index, m->n_expert ? (double)m->top_k / m->n_expert : 0) + 2.0 * (T + 1) * m->n_head * m->d_head;
}

double head_bytes(const struct model *m)
{
	int64_t dim[MAXDIM];
	int nd;

	return role_shape(m, BLK_HEAD, R_HEAD, P_WEIGHT, &nd, dim) ? (double)dim[0] * (double)dim[1] * (double)dtype_size(m->dtype) : 0;
}
