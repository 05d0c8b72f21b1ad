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
	for (int i = 0; i < 3; i++) {
		static const int end[] = { BLK_EMBED, 0, BLK_HEAD };
		int index = i == 1 ? m.n_layer - 1 : end[i], n = 0;
		struct want w = WANT_FIRST;

		while (n++ < 200 && model_wants(&m, index, &w)) {
			struct tensor_id id = { .role = w.role, .part = w.part, .layer = index, .head = w.expert }, back;
			char name[256];

			family_tensor(f, &id, NULL, name, sizeof(name));
			require(family_role(f, name, &back) == 1 && back.part == id.part);
			require(back.fuse ? back.fuse == family_fuse(f, id.role) : back.role == id.role);
			require(i != 1 || back.layer == m.n_layer - 1);
			require(w.nd >= 1 && w.dim[0] > 0);
		}
	}
	cJSON_Delete(a);
	cJSON_Delete(b);
	cJSON_Delete(c);
	return 0;
}
