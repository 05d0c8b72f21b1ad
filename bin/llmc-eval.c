/* llmc-eval: perplexity, divergence, text and logits of a model. */
#include "base/err.h"
#include "base/opt.h"
#include "base/out.h"
#include "eval/eval.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} verbs[] = {
	{ "ppl", eval_ppl, "perplexity of a token set" },
	{ "kl", eval_kl, "divergence of next-token distributions from a reference model" },
	{ "gen", eval_gen, "greedy continuation of a prompt" },
	{ "logits", eval_logits, "logits of a token set, as safetensors" },
};
enum { NVERB = sizeof(verbs) / sizeof(*verbs) };
static const struct opt_tool tool = { .name = "llmc-eval", .groups = OPT_TALK };

int main(int argc, char **argv)
{
	prog = "llmc-eval";
	for (int i = 0; argc > 1 && i < NVERB; i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	if (argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help"))) {
		printf("usage: llmc-eval WHAT [options] [BUNDLE]\n\nWHAT is one of\n");
		for (int i = 0; i < NVERB; i++)
			printf("  %-7s %s\n", verbs[i].name, verbs[i].about);
		printf("\nllmc-eval WHAT --help lists the options; llmc-eval(1) is the manual.\n");
		stdout_close();
		return ST_OK;
	}
	if (argc > 1 && *argv[1] == '-')
		opt_parse(&tool, NULL, argc, argv);     /* --version */
	else if (argc > 1)
		die(ST_USAGE, "'%s' is none of ppl, kl, gen, logits", argv[1]);
	die(ST_USAGE, "say what: ppl, kl, gen or logits");
}
