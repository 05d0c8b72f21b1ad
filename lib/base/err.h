/* Errors and talk.  Parsers and numerics fill the error state and return -1; glue dies.
 * Messages: lower case, no full stop, what failed first, the subject quoted. */
#ifndef ERR_H
#define ERR_H

#include <stdbool.h>

/* Exit statuses of every tool (llmc-options(7)). */
enum status {
	ST_OK,          /* done */
	ST_NO,          /* the answer is no */
	ST_USAGE,       /* the command line */
	ST_BAD,         /* bad or truncated input */
	ST_UNSUP,       /* unsupported here: family, feature, device */
	ST_FAIL         /* the operation failed: full disk, no memory, numerics */
};

#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define NORETURN __attribute__((noreturn))      /* cppcheck does not take _Noreturn's word for it */

extern const char *prog;                /* "llmc-gptq"; prefix of every message */
extern int verbose;                     /* -1 quiet, 0, 1, 2 */
extern const char *(*err_before)(void); /* what precedes a message: progress has its line erased; or NULL */
extern void (*err_last)(void);          /* what is left to do where exit() does not come by: temporaries; or NULL */

int err_set(int status, const char *fmt, ...) PRINTF(2, 3);     /* returns -1; thread-local */
int err_read(const char *what);         /* ST_BAD: input that the system would not let us "open", and why; returns -1 */
bool err_unread(void);                  /* was it that, and not what the input holds? */
int err_at(const char *fmt, ...) PRINTF(1, 2);                  /* puts "WHERE: " before it; returns -1 */
const char *err_msg(void);
int err_status(void);
void err_clear(void);

NORETURN void die(int status, const char *fmt, ...) PRINTF(2, 3);
NORETURN void die_now(int status, const char *fmt, ...) PRINTF(2, 3);     /* not by exit(): anybody's locks may be held */
NORETURN void die_err(void);            /* with the error state's message and status */
void warn(const char *fmt, ...) PRINTF(1, 2);                   /* silent at -q */
void say(int level, const char *fmt, ...) PRINTF(2, 3);         /* when verbose >= level */

#endif
