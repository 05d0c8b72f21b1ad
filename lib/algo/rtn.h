/* llmc-quant: data-free quantization of weights.  Method rtn: round to nearest. */
#ifndef RTN_H
#define RTN_H

#include "run/filter.h"

extern const struct filter filter_quant;

#endif
