/* llmc-import: a Hugging Face directory or a GGUF file to a bundle. */
#include "base/err.h"
#include "base/opt.h"
#include "base/out.h"
#include "import/import.h"

static struct {
	bool list, explain;
	int dtype;
} o;

static const struct opt own[] = {
	{ .name = "dtype", .type = O_ENUM, .off = offsetof(__typeof__(o), dtype), .words = "auto|f32|f16|bf16",
	  .def = "auto",
	  .help = "what the tensors of a GGUF become; auto: as its matrices are, bf16 where quantized" },
	{ .name = "explain", .type = O_FLAG, .off = offsetof(__typeof__(o), explain), .flags = OPT_QUIET,
	  .help = "print what would be written and why, and stop" },
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
	int i = opt_parse(&tool, &o, argc, argv);

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
	if (o.explain ? import_explain(argv[i], dtypes[o.dtype], common.json) < 0 :
	                import_run(argv[i], common.output, dtypes[o.dtype]) < 0)
		die_err();
	return ST_OK;
}
