/* What compressed-tensors says about a directory: quantization_config, and the model card. */
#ifndef CTCONF_H
#define CTCONF_H

#include "pack/pack.h"

struct ctgroup {                        /* linears quantized alike */
	int bits, group;                /* group 0 = channel */
	bool sym;
	char spec[64];                  /* for people */
	char **module;                  /* [n]; owned */
	int n;
	size_t cap;
};
struct ctconf {
	struct ctgroup *g;              /* [n] in order of appearance */
	int n;
	char **ignore;                  /* [n_ignore] linears left in float; owned */
	int n_ignore;
	size_t cap_g, cap_ignore;
	int n_quantized;
	bool head;                      /* the head was seen: quantized or ignored */
	bool named;                     /* a class name cannot tell them apart: list every module */
};

bool ctconf_same(const struct qrec *, const struct qrec *);     /* one scheme, or neither quantized */
void ctconf_add(struct ctconf *, const char *module, const struct qrec *, bool head);
char *ctconf_json(const struct ctconf *);                       /* malloc'd */
char *ctconf_card(const struct ctconf *, const struct pack *);  /* malloc'd */
void ctconf_free(struct ctconf *);

#endif
