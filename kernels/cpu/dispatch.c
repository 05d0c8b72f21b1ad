/* Which kernel the processor gets.  A level requires those before it, so a table is filled by walking up. */
#include "kernels/kern.h"
#include "kernels/cpu/level.h"

#include <string.h>

static const struct {
	unsigned bit, needs;
	const char *name;
} feature[] = {
	{ CPU_AVX2, 0, "avx2" },
	{ CPU_AVX512, CPU_AVX2, "avx512" },
	{ CPU_AVX512_BF16, CPU_AVX512, "avx512_bf16" },
	{ CPU_AMX_BF16, CPU_AVX512_BF16, "amx_bf16" },
};

enum { NFEATURE = sizeof(feature) / sizeof(*feature) };

const char *cpu_feature_name(unsigned bit)
{
	for (int i = 0; i < NFEATURE; i++)
		if (feature[i].bit == bit)
			return feature[i].name;
	return NULL;
}

/* Is name one of the words of a list set off by commas? */
static int listed(const char *list, const char *name)
{
	size_t n = strlen(name);

	while (list && *list) {
		size_t k = strcspn(list, ",");

		if (k == n && !strncmp(list, name, n))
			return 1;
		list += k + (list[k] == ',');
	}
	return 0;
}

#if defined(__x86_64__)
#include <cpuid.h>

/* __builtin_cpu_supports asks the operating system too, whether it saves the registers.  Of the two newest
 * features not all our compilers know the names; their bits are in leaf 7. */
static unsigned detect(void)
{
	unsigned a, b, c, d, f = 0;

	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __get_cpuid(1, &a, &b, &c, &d) &&
	    c & 1u << 29 /* f16c */)
		f |= CPU_AVX2;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		f |= CPU_AVX512;
	if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1u << 5)
		f |= CPU_AVX512_BF16;
	if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && d & 1u << 22)
		f |= CPU_AMX_BF16;
	return f;
}
#else
static unsigned detect(void)
{
	return 0;
}
#endif

unsigned cpu_features(const char *mask)
{
	unsigned f = detect();

	for (int i = 0; i < NFEATURE; i++)
		if (listed(mask, feature[i].name) || (f & feature[i].needs) != feature[i].needs)
			f &= ~feature[i].bit;
	return f;
}

/* One line per file. */
static const struct {
	unsigned needs;
	void (*install)(struct kern *);
} level[] = {
#if defined(__x86_64__)
	{ CPU_AVX2, conv_avx2 },
	{ CPU_AVX2, glu_avx2 },
	{ CPU_AVX2, norm_avx2 },
	{ CPU_AVX2, axpy_avx2 },
	{ CPU_AVX2, rope_avx2 },
	{ CPU_AVX2, softmax_avx2 },
	{ CPU_AVX2, loss_avx2 },
	{ CPU_AVX2, gptq_avx2 },
	{ CPU_AVX2, mul_avx2 },
	{ CPU_AVX512, conv_avx512 },
	{ CPU_AVX512, glu_avx512 },
	{ CPU_AVX512, norm_avx512 },
	{ CPU_AVX512, axpy_avx512 },
	{ CPU_AVX512, rope_avx512 },
	{ CPU_AVX512, softmax_avx512 },
	{ CPU_AVX512, loss_avx512 },
	{ CPU_AVX512, gptq_avx512 },
	{ CPU_AVX512, mul_avx512 },
	{ CPU_AVX512_BF16, conv_avx512_bf16 },
	{ CPU_AVX512_BF16, mul_avx512_bf16 },
	{ CPU_AVX512_BF16, softmax_avx512_bf16 },
#endif
	{ 0, NULL },
};

void kern_cpu(struct kern *k, unsigned features)
{
	kern_ref(k);
	for (int i = 0; level[i].install; i++)
		if (features & level[i].needs)
			level[i].install(k);
}
