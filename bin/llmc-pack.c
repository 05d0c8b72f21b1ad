/* llmc-pack: a bundle to a directory that an engine loads. */
#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/out.h"
#include "pack/pack.h"

#include <stdio.h>

static struct {
	const char *format, *output;
	bool list, dequantize, force;
	int dtype;
	int64_t shard;
} o;

#define AT(f) offsetof(__typeof__(o), f)
static const struct opt own[] = {
	{ .name = "format", .letter = 'f', .type = O_STR, .off = AT(format), .arg = "hf|vllm",
	  .help = "what will load it; --list tells" },
	{ .name = "output", .letter = 'o', .type = O_FILE, .off = AT(output), .arg = "DIR", .flags = OPT_QUIET,
	  .help = "the directory to make; it must not exist, or be empty" },
	{ .name = "dequantize", .type = O_FLAG, .off = AT(dequantize), .help = "hf: quantized weights become floats" },
	{ .name = "dtype", .type = O_ENUM, .off = AT(dtype), .words = "auto|f32|f16|bf16", .def = "auto",
	  .help = "type of the float tensors; auto: as they are, the model's where dequantized" },
	{ .name = "shard-size", .type = O_SIZE, .off = AT(shard), .arg = "SIZE", .def = "5G",
	  .help = "bytes that a weights file should not exceed" },
	{ .name = "force", .type = O_FLAG, .off = AT(force),
	  .help = "vllm: write what the format holds, though engines lack kernels for it" },
	{ .name = "list", .type = O_FLAG, .off = AT(list), .flags = OPT_QUIET, .help = "list the formats, and stop" },
	{ .type = O_END }
};
static const struct opt_tool tool = {
	.name = "llmc-pack", .usage = "-f FORMAT -o DIR [options] [FILE]",
	.about = "turn a bundle into a model directory",
	.groups = OPT_RESUME | OPT_DRY | OPT_JSON | OPT_TALK, .own = own
};

int main(int argc, char **argv)
{
	static const enum dtype dtypes[] = { DT_NONE, DT_F32, DT_F16, DT_BF16 };
	int i = opt_parse(&tool, &o, argc, argv);
	struct pack_opt po = { i < argc ? argv[i] : NULL, o.output, o.dequantize, o.force, dtypes[o.dtype], o.shard };
	const struct packer *p;

	mem_frugal();
	if (o.list) {
		printf("#format\tabout\n");
		for (const struct packer *const *k = packer_list(); *k; k++)
			printf("%s\t%s\n", (*k)->name, (*k)->about);
		stdout_close();
		return ST_OK;
	}
	if (i < argc - 1)
		die(ST_USAGE, "one bundle is wanted, not %d", argc - i);
	if (!o.format || !o.output)
		die(ST_USAGE, "a format (-f) and a directory (-o) are wanted");
	p = packer_find(o.format);
	if (!p)
		die(ST_USAGE, "format '%s' is not known; --list tells those that are", o.format);
	pack_run(p, &po);
	return ST_OK;
}
