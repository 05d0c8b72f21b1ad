/* Conversations to text, by the chat template of a model. */
#ifndef CHAT_H
#define CHAT_H

#include "data/jtree.h"
#include "data/tok.h"

struct chat;

/* The template that comes with the tokenizer, which must live on.  date as for jinja_render.  NULL: error set;
 * ST_UNSUP when there is none, or one that is not supported. */
struct chat *chat_new(const struct tok *, const char *date);
void chat_free(struct chat *);
uint64_t chat_digest(const struct chat *);              /* of the template, or both */
/* Another variable for the template, "NAME=VALUE": JSON, or else text.  -1: error set (ST_USAGE). */
int chat_set(struct chat *, const char *assignment);
/* Appends the text of a conversation: an array of messages, or an object that has one in `field`, and perhaps
 * "tools", "documents" and an object "chat_template_kwargs" of further variables.  -1: error set. */
int chat_render(struct chat *, const struct jnode *conversation, const char *field, struct bytes *out);

#endif
