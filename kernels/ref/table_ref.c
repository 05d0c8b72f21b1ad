/* The table of the reference: every slot filled. */
#include "kernels/kern.h"

void kern_ref(struct kern *k)
{
	*k = (struct kern){
		.bf16_f32 = bf16_f32_ref,
		.f32_bf16 = f32_bf16_ref,
		.f16_f32 = f16_f32_ref,
		.f32_f16 = f32_f16_ref,
		.norm = norm_ref,
		.rope = rope_ref,
		.glu = {
			[K_NONE] = glu_none_ref,
			[K_SILU] = glu_silu_ref,
			[K_GELU] = glu_gelu_ref,
			[K_GELU_TANH] = glu_gelu_tanh_ref,
			[K_RELU] = glu_relu_ref,
			[K_QUICK_GELU] = glu_quick_gelu_ref,
		},
		.axpy = axpy_ref,
		.attn = attn_ref,
		.softmax = softmax_ref,
		.softmax16 = softmax16_ref,
		.scal = scal_ref,
		.lse = lse_ref,
		.kl = kl_ref,
		.gemm = gemm_ref,
		.pack16 = pack16_ref,
		.pack16_t = pack16_t_ref,
		.mul16 = mul16_ref,
		.pack32_t = pack32_t_ref,
		.mul32 = mul32_ref,
		.gptq = gptq_ref,
	};
}
