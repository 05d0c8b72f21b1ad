/* What there is to import: the families, and what their knobs and names allow. */
#include "import/import.h"

#include "base/table.h"
#include "import/ggufile.h"
#include "model/family.h"
#include "model/fold.h"

static cJSON *architectures(const struct family *f)
{
	cJSON *list = json_arr();

	for (int k = 0; k < CFG_MATCH && f->match[k]; k++)
		json_push(list, cJSON_CreateString(f->match[k]));
	return list;
}

static cJSON *row(const struct family *f)
{
	const struct family *language = f->wrap ? f->wrap->language : f;
	cJSON *o = json_obj();
	struct model m = { 0 };

	if (language)
		family_sample(&m, language);
	json_put_str(o, "family", f->name);
	json_put(o, "architectures", architectures(f));
	/* what a projector writes would have to turn along */
	json_put_bool(o, "rotate", !f->wrap && !fold_rotation(&m));
	json_put_bool(o, "shift", language && !fold_shift(&m));
	json_put_bool(o, "moe", f->names[R_ROUTER]);
	json_put_bool(o, "vision", f->wrap);
	if (gguf_of(f))
		json_put_str(o, "gguf", gguf_of(f));
	return o;
}

void import_list(bool json)
{
	cJSON *rows = json_arr();

	for (const struct family *const *f = family_list(); *f; f++)
		json_push(rows, row(*f));
	if (json)
		json_print(rows);
	else {
		table_join(rows, "architectures");
		table_print("family architectures rotate shift moe vision gguf", rows);
	}
	cJSON_Delete(rows);
}
