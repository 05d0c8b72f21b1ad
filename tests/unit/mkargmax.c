/* mkargmax FILE: of the tensor `logits` [N, T, V], F32, the index of the largest of each position, a line for each of the
 * N; of equals the first.  For the bats files. */
#include "base/err.h"
#include "golden.h"

int main(int argc, char **argv)
{
	const struct st_entry *e;
	const float *v;
	struct st s;

	prog = "mkargmax";
	if (argc != 2)
		die(ST_USAGE, "usage: mkargmax FILE");
	load_tensors(&s, argv[1]);
	e = st_find(&s, "logits");
	if (!e || e->t.nd != 3 || e->t.dt != DT_F32)
		die(ST_NO, "no proper 'logits'");
	v = e->t.data;
	for (int64_t i = 0; i < e->t.dim[0] * e->t.dim[1]; i++, v += e->t.dim[2]) {
		int64_t best = 0;

		for (int64_t k = 1; k < e->t.dim[2]; k++)
			best = v[k] > v[best] ? k : best;
		printf("%lld%c", (long long)best, (i + 1) % e->t.dim[1] ? ' ' : '\n');
	}
	return 0;
}
