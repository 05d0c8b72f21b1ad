/* Provenance: the chain "pg" of a manifest, in the manner of samtools' @PG. */
#ifndef PG_H
#define PG_H

#include "base/json.h"

/* Appends a record to manifest["pg"]: id "TOOL.K" unique in the chain, tool, version, parent, seed and
 * device where they matter, argv (opt_provenance), inputs {name: digest}.  inputs is taken, may be NULL.
 * With --no-pg only {"id"} is kept out: nothing is appended and "" is returned.  Returns the id, owned by
 * the manifest. */
const char *pg_append(cJSON *manifest, cJSON *inputs);
const char *pg_last_tool(const cJSON *manifest);                /* NULL when the chain is empty */

#endif
