/* Any bytes as config.json: refused with a message, or a model that passes its own check and survives its JSON. */
#include "base/err.h"
#include "fuzz.h"
#include "model/family.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model m, again;
	const struct family *f;
	cJSON *c, *a, *b;

	alloc_limit(size, 256, 1 << 20);
	err_clear();
	c = json_parse(data, size, "config.json");
	f = c ? family_resolve(&m, c) : NULL;
	if (!f) {
		require((err_status() == ST_BAD || err_status() == ST_UNSUP) && *err_msg());
		cJSON_Delete(c);
		return 0;
	}
	require(model_check(&m) == 0 && !strcmp(f->name, m.family));
	a = json_obj();
	b = json_obj();
	model_json(&m, a);
	require(model_parse(&again, a) == 0);
	model_json(&again, b);
	require(cJSON_Compare(a, b, true));
	for (int r = 0; r < R_N; r++)
		for (int p = 0; p < P_N; p++) {
			char name[256];
			enum role role;
			enum part part;
			int64_t dim[MAXDIM];
			int layer, nd;

			if (!role_shape(&m, (enum role)r, (enum part)p, &nd, dim))
				continue;
			family_tensor(f, (enum role)r, (enum part)p, m.n_layer - 1, false, name, sizeof(name));
			require(family_role(f, name, &role, &part, &layer) == 1 && (int)role == r && (int)part == p);
			require(role_home(role) != BLK_KIND_DENSE || layer == m.n_layer - 1);
			require(nd >= 1 && dim[0] > 0);
		}
	cJSON_Delete(a);
	cJSON_Delete(b);
	cJSON_Delete(c);
	return 0;
}
