/* The books of bundles that hold a part of their model: lists of blocks, ledgers and reports, cut and joined. */
#ifndef PARTS_H
#define PARTS_H

#include "bundle/members.h"

/* "embed,0-3,7,head" of a model of n_layer layers, in any order: sets keep[0] (embed), keep[1 + layer],
 * keep[1 + n_layer] (head).  -1: error set (ST_USAGE). */
int parts_parse(const char *list, int n_layer, bool *keep);
int parts_slot(int index, int n_layer);         /* of a block's index in keep */
/* The manifest of what is kept: "blocks" set, or taken out when that is everything. */
void parts_manifest(cJSON *manifest, int n_layer, const bool *keep);

/* Takes the ledger of a further part into *all (NULL at first).  -1: they do not belong together. */
int ledger_join(cJSON **all, const cJSON *part);
/* Sets the joined ledger right: `kept` tensors are there of what the last stage handed on. */
void ledger_cut(cJSON *all, int64_t kept);
/* Takes the reports of a further part into *all: what differs stands side by side, as {"parts": [...]}. */
void report_join(cJSON **all, const cJSON *part);

#endif
