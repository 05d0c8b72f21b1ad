/* What a run would need, said before it starts (-n): the most memory, the disk, the operations and the time of each of
 * its stages.  Bytes and operations are counted from the shapes, by those who know their algorithm; what the process
 * and its libraries take is measured, and so is the rate of products. */
#ifndef PLAN_H
#define PLAN_H

#include "bundle/bundle.h"
#include "model/site.h"

struct dev;

enum { PLAN_STAGES = 12 };
struct plan {
	struct {
		const char *name;
		double memory;          /* bytes of the whole process at most, while the stage runs */
		double disk;            /* bytes of files */
		double flops, seconds;
	} stage[PLAN_STAGES];
	int n;
	double base;                    /* bytes of the process before it works */
	double f32, mm;                 /* FLOP/s of products in F32 and in dev->mm */
	/* the input */
	bool mapped;                    /* a file, whose pages come as they are used; else a block is wholly in memory */
	double embed;                   /* bytes stored of the embedding */
	double element;                 /* bytes stored of an element of the first layer; 0: there is none */
};

/* Reads the bundle as far as its first layer, of which piece 0 may be fetched then.  -1: error set. */
int plan_begin(struct plan *, struct bundle_in *);
void plan_device(struct plan *, struct dev *);          /* measures its rates; after plan_begin */
double process_bytes(void);                             /* of memory that this process holds now */
int plan_stage(struct plan *, const char *name);        /* index of a stage, a new one at the end */
/* While the stage runs, this much is in use beside the base. */
void plan_memory(struct plan *, int stage, double bytes);
/* Adds work; at `share` of the rate of products in F32, or in dev->mm. */
void plan_flops(struct plan *, int stage, double flops, bool mm, double share);
void plan_bytes(struct plan *, int stage, double bytes);        /* that are read or written */
void plan_output(struct plan *, int stage, double bytes);       /* of what goes to -o */
void plan_print(const struct plan *);                   /* to standard output, with the total; -j: JSON */

/* Of a layer's linears: weights, and operations of its forward pass a token in sequences of T (of the experts, those
 * that a token goes to). */
double layer_weights(const struct model *, int index);
double layer_flops(const struct model *, int index, int T);
/* Bytes stored of a piece of a layer, and of all of them, taken to be stored as the first layer is. */
double plan_piece(const struct plan *, const struct model *, int index, int piece);
double plan_layer(const struct plan *, const struct model *, int index);
double head_bytes(const struct model *);                /* of its own output projection; 0: the embedding's */

#endif
