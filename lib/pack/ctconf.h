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
	cJSON *more;                    /* patterns of others: a list; owned, may be NULL */
	size_t cap_g, cap_ignore;
	int n_quantized;
	bool head;                      /* the head was seen: quantized or ignored */
	bool named;                     /* a class name cannot tell them apart: list every module */
};

bool ctconf_same(const struct qrec *, const struct qrec *);     /* one scheme, or neither quantized */
void ctconf_add(struct ctconf *, const char *module, const struct qrec *, bool head);
/* Everything below the module, whatever engines put before its name, stays float. */
void ctconf_ignore(struct ctconf *, const char *module, size_t len);
/* A pattern for a module, whatever stands before its name.  malloc'd. */
char *ctconf_pattern(const char *module, size_t len, const char *tail);
char *ctconf_json(const struct ctconf *);                       /* malloc'd */
char *ctconf_card(const struct ctconf *, const struct pack *);  /* malloc'd */
void ctconf_free(struct ctconf *);

#endif
