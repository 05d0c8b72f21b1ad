/* What packing would need (-n): the first layer tells what a block becomes. */
#include "pack/pack.h"

#include "base/err.h"
#include "base/out.h"
#include "run/plan.h"

/* Bytes of tensor i in the directory. */
static double packed(const struct pack_opt *o, const struct model *m, const struct block *b, int i)
{
	const struct tensor *t = &b->t[i];
	double n = (double)tensor_count(t);

	if (b->q[i].spec.fmt == Q_NONE)
		return n * (double)dtype_size(o->dtype == DT_NONE ? t->dt : o->dtype);
	if (o->dequantize)
		return n * (double)dtype_size(o->dtype == DT_NONE ? m->dtype : o->dtype);
	return qrec_bits(&b->q[i], tensor_rows(t), tensor_cols(t)) / 8;
}

int pack_plan(struct pack *pk, const struct packer *packer, struct bundle_in *in)
{
	const struct pack_opt *o = pk->o;
	const struct model *m = pk->m;
	double first = 0, layers = 0, piece = 0, most = 0, stored = 0;
	double grow = o->dtype == DT_NONE ? 1 : (double)dtype_size(o->dtype) / (double)dtype_size(m->dtype);
	const cJSON *carried = cJSON_GetObjectItemCaseSensitive(bundle_manifest(in), "carried"), *v;
	int embed, blocks;
	struct plan p;
	struct block b, own;
	int r;

	if (plan_begin(&p, in) < 0)
		return -1;
	if (!p.element)
		return err_set(ST_BAD, "'%s' has no layer", bundle_name(in));
	embed = plan_stage(&p, "embed");
	blocks = plan_stage(&p, "blocks");
	if (bundle_get_block(in, &b) < 0)
		return -1;
	for (int i = 0; i < b.nt; i++) {
		double n = packed(o, m, &b, i);

		first += n;
		most = n > most && b.q[i].spec.fmt != Q_NONE ? n : most;
	}
	/* what the first layer already shows to be refused */
	r = pack_join(pk, &b, &own) < 0 ? -1 : packer->accept(pk, &own);
	block_free(&own);
	block_free(&b);
	if (r < 0)
		return -1;
	for (int i = 0; i < m->n_layer; i++)
		for (int k = 0; k < layer_pieces(m, i); k++) {
			double n = plan_piece(&p, m, i, k);

			piece = n > piece ? n : piece;
			stored += n;
		}
	layers = first * stored / plan_piece(&p, m, 0, 0);      /* as the first becomes */
	plan_memory(&p, embed, p.embed);
	plan_bytes(&p, embed, 2 * p.embed);
	p.stage[embed].disk = (p.embed + head_bytes(m)) * grow;
	plan_memory(&p, embed, head_bytes(m));
	cJSON_ArrayForEach(v, carried) {
		const cJSON *n = cJSON_GetObjectItemCaseSensitive(v, "bytes");

		plan_memory(&p, embed, n->valuedouble);
		plan_bytes(&p, embed, 2 * n->valuedouble);
		p.stage[embed].disk += n->valuedouble;
	}
	plan_memory(&p, blocks, piece + most);
	plan_bytes(&p, blocks, stored + layers);
	p.stage[blocks].disk = layers;
	plan_print(&p);
	stdout_close();
	return 0;
}
