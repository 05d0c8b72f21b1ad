/* llmc-import: a Hugging Face directory or a GGUF file to a bundle. */
#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/out.h"
#include "import/import.h"

static struct {
	bool list, explain;
	int dtype;
	int64_t piece;
	const char *model, *as;
} o;

static const struct opt own[] = {
	{ .name = "dtype", .type = O_ENUM, .off = offsetof(__typeof__(o), dtype), .words = "auto|f32|f16|bf16",
	  .def = "auto",
	  .help = "what the tensors of a GGUF become; auto: as its matrices are, bf16 where quantized" },
	{ .name = "model", .type = O_FILE, .off = offsetof(__typeof__(o), model), .arg = "FILE",
	  .help = "a description of the model, as JSON, where no family has it" },
	{ .name = "as", .type = O_STR, .off = offsetof(__typeof__(o), as), .arg = "FAMILY",
	  .help = "as if the architecture were of this family" },
	{ .name = "explain", .type = O_FLAG, .off = offsetof(__typeof__(o), explain), .flags = OPT_QUIET,
	  .help = "print what would be written and why, and stop" },
	{ .name = "piece-size", .type = O_SIZE, .off = offsetof(__typeof__(o), piece), .arg = "SIZE", .def = "1G",
	  .help = "cut layers with more bytes of experts into pieces of that; 0: never" },
	{ .name = "list", .type = O_FLAG, .off = offsetof(__typeof__(o), list), .flags = OPT_QUIET,
	  .help = "list the model families and what they allow, and stop" },
	{ .type = O_END }
};
static const struct opt_tool tool = {
	.name = "llmc-import", .usage = "[options] DIR | FILE.gguf | FILE.safetensors",
	.about = "turn a checkpoint into a bundle", .groups = OPT_IO | OPT_RESUME | OPT_JSON | OPT_TALK, .own = own
};

int main(int argc, char **argv)
{
	static const enum dtype dtypes[] = { DT_NONE, DT_F32, DT_F16, DT_BF16 };
	struct description d = { 0 };
	int i = opt_parse(&tool, &o, argc, argv);
	struct import_opts how = { dtypes[o.dtype], o.piece, NULL };

	mem_frugal();
	if (o.list && o.explain)
		die(ST_USAGE, "--list and --explain: one of them");
	if (o.list && i == argc) {
		import_list(common.json);
		stdout_close();
		return ST_OK;
	}
	if (common.json && !o.explain)
		die(ST_USAGE, "-j goes with --list or --explain");
	if (o.explain && (common.output || common.resume))
		die(ST_USAGE, "--explain writes no bundle: leave -o and --resume out");
	if (i != argc - 1)
		die(ST_USAGE, "one checkpoint is wanted: a directory or a file");
	if (o.model && o.as)
		die(ST_USAGE, "--model and --as: one of them");
	if ((o.model && description_open(&d, o.model) < 0) || (o.as && description_as(&d, o.as) < 0))
		die_err();
	if (o.model || o.as)
		how.how = &d;
	if (o.explain ? import_explain(argv[i], &how, common.json) < 0 : import_run(argv[i], common.output, &how) < 0)
		die_err();
	description_close(&d);
	return ST_OK;
}
