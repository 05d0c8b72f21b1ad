/* OpenBLAS, loaded when the first product needs it: a tool that multiplies nothing does without. */
#ifndef BLAS_H
#define BLAS_H

/* Call before the pool starts: OpenBLAS is to have one thread, the pool has the others. */
void blas_init(void);

#endif
