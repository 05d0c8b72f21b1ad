/* TAP for the unit tests: plan, ok and done.  A test program is a main that ends with `return done();`.
 *
 *	int main(void)
 *	{
 *		plan(2);                            (or plan(0): counted, printed at the end)
 *		ok(1 + 1 == 2, "one and one");
 *		is_str(name(), "x", "the name");
 *		return done();                      (0 only when every test passed and the plan was kept)
 *	}
 */
#ifndef TAP_H
#define TAP_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int tap_planned, tap_run, tap_failed;

static inline void plan(int n)
{
	tap_planned = n;
	if (n)
		printf("1..%d\n", n);
	fflush(stdout);
}

__attribute__((format(printf, 1, 2))) static inline void diag(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

__attribute__((format(printf, 2, 3))) static inline bool ok(bool pass, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", pass ? "" : "not ", ++tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);         /* a test may fork, or die in the next line */
	tap_failed += !pass;
	return pass;
}

static inline bool is_int(long long got, long long want, const char *what)
{
	bool pass = ok(got == want, "%s", what);

	if (!pass)
		diag("got %lld, want %lld", got, want);
	return pass;
}

static inline bool is_str(const char *got, const char *want, const char *what)
{
	bool pass = ok(got && want ? !strcmp(got, want) : got == want, "%s", what);

	if (!pass)
		diag("got '%s', want '%s'", got ? got : "(null)", want ? want : "(null)");
	return pass;
}

/* |got - want| <= tol, which no NaN satisfies. */
static inline bool is_near(double got, double want, double tol, const char *what)
{
	bool pass = ok(fabs(got - want) <= tol, "%s", what);

	if (!pass)
		diag("got %.17g, want %.17g within %g", got, want, tol);
	return pass;
}

/* Counts as skipped, with the reason. */
__attribute__((format(printf, 1, 2))) static inline void tap_skip(const char *fmt, ...)
{
	va_list ap;

	printf("ok %d # SKIP ", ++tap_run);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

/* Whether a file or directory outside the project is there; skips a test where it is not. */
static inline bool have_file(const char *path)
{
	bool there = !access(path, R_OK);

	if (!there)
		tap_skip("needs %s", path);
	return there;
}

static inline int done(void)
{
	if (!tap_planned)
		printf("1..%d\n", tap_run);
	else if (tap_planned != tap_run)
		diag("planned %d, ran %d", tap_planned, tap_run);
	if (tap_failed)
		diag("%d of %d failed", tap_failed, tap_run);
	fflush(stdout);
	return tap_failed || !tap_run || (tap_planned && tap_planned != tap_run);
}

#endif
