/* llmc-cat: bundles that hold blocks of one model, joined and cut.
 *
 * A bundle that holds a part of its model lists what is there in "blocks" of its manifest, and its ledger has a
 * stage that counts the tensors laid "aside".  Members before the first block go into every part; those after a
 * block go with it.  All parts of a bundle joined are that bundle again, byte for byte; parts that went
 * through the same tools in between give what the whole would have given. */
#ifndef CAT_H
#define CAT_H

/* Joins the n bundles in `path`, keeps the blocks in `list` ("embed,0-3,7,head"; NULL = all), and writes to
 * `out`.  -1: error set, nothing is left behind. */
int cat_run(const char *const *path, int n, const char *list, const char *out);

#endif
