/* llmc-eval: perplexity, divergence, text and logits of a model. */
#include "base/opt.h"
#include "eval/eval.h"

static const struct opt_verb verbs[] = {
	{ "ppl", eval_ppl, "perplexity of a token set" },
	{ "kl", eval_kl, "divergence of next-token distributions from a reference model" },
	{ "gen", eval_gen, "greedy continuation of a prompt" },
	{ "logits", eval_logits, "logits of a token set, as safetensors" },
	{ 0 }
};
static const struct opt_tool tool = {
	.name = "llmc-eval", .usage = "WHAT [options] [BUNDLE]", .about = "what a model makes of text",
	.groups = OPT_TALK
};

int main(int argc, char **argv)
{
	return opt_verb(&tool, verbs, argc, argv);
}
