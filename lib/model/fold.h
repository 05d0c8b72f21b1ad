/* Exact rewritings that a model's knobs allow: the function stays, the numbers are others.  Each says why it cannot be,
 * in words that follow "no: "; NULL: it can. */
#ifndef FOLD_H
#define FOLD_H

#include "model/model.h"

/* The residual stream times an orthogonal matrix, which the weights that write and read it absorb (QuaRot, Ashkboos et
 * al., arXiv 2404.00456). */
const char *fold_rotation(const struct model *);
/* A constant taken off what a norm gives, which its bias and those of its readers absorb (Outlier Suppression+, Wei et
 * al., arXiv 2304.09145). */
const char *fold_shift(const struct model *);

#endif
