/* The cpu device: the reference's operators over better kernels, and its own where blocking matters. */
#include "op/host.h"

const struct ops ops_cpu = {
	.name = "cpu",
	.copy = op_copy,
	.embed = op_embed,
	.linear = cpu_linear,
	.gemm = cpu_gemm,
	.norm = op_norm,
	.rope = op_rope,
	.attn = cpu_attn,
	.glu = op_glu,
	.axpy = op_axpy,
	.gram = cpu_gram,
	.mirror = op_mirror,
	.chol_inv = cpu_chol_inv,
	.gptq_panel = op_gptq_panel,
	.nll = op_nll,
	.kl = op_kl,
};
