/* mkstdiff A B [NAME=NAME...]: largest |a - b| over the largest |b| of each pair of tensors that two safetensors
 * files share by name (or that are paired on the command line), as "name TAB ratio".  For the bats files. */
#include "base/err.h"
#include "base/mem.h"
#include "golden.h"

#include <math.h>
#include <string.h>

static double ratio(const struct tensor *a, const struct tensor *b)
{
	size_t n = (size_t)tensor_count(a);
	float *x = xmalloc(n * sizeof(*x)), *y = xmalloc(n * sizeof(*y));
	double d = 0, m = 0;

	if (tensor_count(b) != (int64_t)n)
		die(ST_NO, "'%s': %zu elements, '%s': %lld", a->name, n, b->name, (long long)tensor_count(b));
	if (to_f32(x, a->data, a->dt, n) < 0 || to_f32(y, b->data, b->dt, n) < 0)
		die_err();
	for (size_t i = 0; i < n; i++) {
		double e = fabs((double)x[i] - y[i]);

		d = e > d || isnan(e) ? e : d;
		m = fmax(m, fabs((double)y[i]));
	}
	free(x);
	free(y);
	return d / m;
}

int main(int argc, char **argv)
{
	struct st a, b;
	int shown = 0;

	prog = "mkstdiff";
	if (argc < 3)
		die(ST_USAGE, "usage: mkstdiff A B [NAME=NAME...]");
	load_tensors(&a, argv[1]);
	load_tensors(&b, argv[2]);
	for (int i = 0; argc == 3 && i < a.n; i++) {
		struct st_entry *e = st_find(&b, a.e[i].t.name);

		if (e) {
			printf("%s\t%.3g\n", a.e[i].t.name, ratio(&a.e[i].t, &e->t));
			shown++;
		}
	}
	for (int i = 3; i < argc; i++) {
		char *eq = strchr(argv[i], '=');
		struct st_entry *x, *y;

		if (!eq)
			die(ST_USAGE, "'%s' is no NAME=NAME", argv[i]);
		*eq = '\0';
		if (!(x = st_find(&a, argv[i])) || !(y = st_find(&b, eq + 1)))
			die(ST_NO, "no '%s' or no '%s'", argv[i], eq + 1);
		printf("%s\t%.3g\n", argv[i], ratio(&x->t, &y->t));
		shown++;
	}
	return shown ? 0 : 1;
}
