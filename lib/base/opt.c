#include "base/opt.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/out.h"
#include "base/progress.h"
#include "base/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_DNNL
#include <dnnl_version.h>
#endif
#include <openblas_config.h>

struct common common;

#define AT(field) offsetof(struct common, field)
enum { MAX_ROW = 128, LONG = 256 };

static const struct opt output[] = {
	{ .name = "output", .letter = 'o', .type = O_FILE, .off = AT(output), .arg = "FILE", .flags = OPT_QUIET,
	  .help = "write there, all or nothing, instead of to standard output" },
	{ .type = O_END }
};
static const struct opt resume[] = {
	{ .name = "resume", .type = O_FLAG, .off = AT(resume), .flags = OPT_QUIET,
	  .help = "go on where an earlier run of the same command was stopped" },
	{ .type = O_END }
};
static const struct opt pg[] = {
	{ .name = "no-pg", .type = O_FLAG, .off = AT(no_pg), .flags = OPT_QUIET,
	  .help = "leave this run out of the provenance chain" },
	{ .type = O_END }
};
static const struct opt dry[] = {
	{ .name = "dry-run", .letter = 'n', .type = O_FLAG, .off = AT(dry), .flags = OPT_QUIET,
	  .help = "say what the run would need, and stop" },
	{ .type = O_END }
};
static const struct opt json[] = {
	{ .name = "json", .letter = 'j', .type = O_FLAG, .off = AT(json), .flags = OPT_QUIET,
	  .help = "results as JSON instead of tab-separated text" },
	{ .type = O_END }
};
static const struct opt device[] = {
	{ .name = "device", .letter = 'd', .type = O_STR, .off = AT(device), .arg = "cpu|ref", .def = "cpu",
	  .help = "where to compute; ref is the slow, plain truth" },
	{ .name = "threads", .letter = 't', .type = O_INT, .off = AT(threads), .arg = "N", .def = "0", .max = 1024,
	  .flags = OPT_QUIET, .help = "threads, 0 for one per processor; results do not depend on it" },
	{ .name = "dtype", .type = O_ENUM, .off = AT(dtype), .words = "auto|f32|bf16", .def = "auto",
	  .help = "type of the products in the forward pass" },
	{ .type = O_END }
};
static const struct opt seed[] = {
	{ .name = "seed", .type = O_INT, .off = AT(seed), .arg = "N", .def = "0", .max = 0x1p53,
	  .help = "start of the random numbers" },
	{ .type = O_END }
};
static const struct opt calib[] = {
	{ .name = "calib", .type = O_FILE, .off = AT(calib), .arg = "FILE",
	  .help = "calibration tokens: a token bundle, or safetensors with input_ids" },
	{ .name = "samples", .type = O_INT, .off = AT(samples), .arg = "N", .def = "0", .max = 0x1p31,
	  .help = "use the first N rows of them, 0 for all" },
	{ .name = "seqlen", .type = O_INT, .off = AT(seqlen), .arg = "N", .def = "0", .max = 0x1p31,
	  .help = "and the first N tokens of each row, 0 for all" },
	{ .name = "all-experts", .type = O_FLAG, .off = AT(all_experts),
	  .help = "show every expert all tokens, not only those that are sent to it" },
	{ .type = O_END }
};
static const struct opt ram[] = {
	{ .name = "ram", .type = O_SIZE, .off = AT(ram), .arg = "SIZE", .def = "0", .flags = OPT_QUIET,
	  .help = "hidden states beyond this go to a file in TMPDIR; 0: beyond half of the machine's memory" },
	{ .type = O_END }
};
static const struct opt qspec[] = {
	{ .name = "weight", .letter = 'w', .type = O_STR, .off = AT(weight), .arg = "SPEC",
	  .help = "quantizer of the linear weights, such as int4:g128:asym (llmc-options(7))" },
	{ .name = "rule", .type = O_LIST, .off = AT(rule), .arg = "PATTERN=SPEC",
	  .help = "another one where BLOCK.ROLE matches; repeatable, first match wins" },
	{ .name = "skip", .type = O_LIST, .off = AT(skip), .arg = "PATTERN",
	  .help = "leave these in float; repeatable, goes before the rules" },
	{ .type = O_END }
};
static const struct opt talk[] = {
	{ .name = "quiet", .letter = 'q', .type = O_LESS, .flags = OPT_QUIET, .help = "errors only" },
	{ .name = "verbose", .letter = 'v', .type = O_MORE, .flags = OPT_QUIET,
	  .help = "say more; twice for more still" },
	{ .name = "progress", .type = O_ENUM, .off = AT(progress), .words = "auto|always|never", .def = "auto",
	  .flags = OPT_QUIET, .help = "a line about progress; auto: on a terminal, after a second" },
	{ .name = "help", .letter = 'h', .type = O_HELP, .flags = OPT_QUIET, .help = "print this text" },
	{ .name = "version", .type = O_VERSION, .flags = OPT_QUIET,
	  .help = "print versions, and what was compiled in" },
	{ .type = O_END }
};
static const struct {
	unsigned group;
	const struct opt *row;
} group[] = {
	{ OPT_QSPEC, qspec }, { OPT_CALIB, calib }, { OPT_RAM, ram }, { OPT_SEED, seed }, { OPT_DEVICE, device },
	{ OPT_OUT, output }, { OPT_RESUME, resume }, { OPT_PG, pg }, { OPT_DRY, dry }, { OPT_JSON, json }, { OPT_TALK, talk },
};
enum { N_GROUP = sizeof(group) / sizeof(*group) };

/* Of a tool that has them, while none is chosen. */
static const struct opt_verb *verbs;

/* The table of the running tool: its own rows, then the shared ones. */
static struct {
	const struct opt_tool *tool;
	int n;
	struct {
		const struct opt *o;
		char *base;             /* of the struct that o->off is in */
		int given;
	} row[MAX_ROW];
} table;

static void add_rows(const struct opt *o, void *base)
{
	for (; o && o->type != O_END; o++) {
		for (int i = 0; i < table.n; i++)
			if (!strcmp(table.row[i].o->name, o->name) ||
			    (o->letter && table.row[i].o->letter == o->letter))
				die(ST_FAIL, "option table: --%s collides with --%s", o->name, table.row[i].o->name);
		if (table.n == MAX_ROW)
			die(ST_FAIL, "option table: more than %d rows", MAX_ROW);
		table.row[table.n].o = o;
		table.row[table.n].base = base;
		table.row[table.n++].given = 0;
	}
}

static bool takes_arg(const struct opt *o)
{
	return o->type != O_FLAG && o->type < O_MORE;
}

static int wrong(const struct opt *o, const char *val, const char *why)
{
	return err_set(ST_USAGE, "--%s '%s': %s", o->name, val, why);
}

/* The fewest digits that read back as x. */
static const char *shortest(double x, char *buf, size_t n)
{
	for (int d = 6; d <= 17; d++) {
		snprintf(buf, n, "%.*g", d, x);
		if (strtod(buf, NULL) == x)
			break;
	}
	return buf;
}

static int outside(const struct opt *o, const char *val)
{
	char min[32], max[32];

	return err_set(ST_USAGE, "--%s '%s': outside %s..%s", o->name, val, shortest(o->min, min, sizeof(min)),
	               shortest(o->max, max, sizeof(max)));
}

/* Decimal, all of it; a suffix K, M, G or T (powers of 1024) where it is a size. */
static int set_int(const struct opt *o, const char *val, int64_t *out)
{
	static const char suffix[] = "KMGT";
	const char *k;
	char *end;
	long long v;

	errno = 0;
	v = strtoll(val, &end, 10);
	if (end == val || !((*val >= '0' && *val <= '9') || *val == '-'))
		return wrong(o, val, "not a whole number");
	if (errno == ERANGE)
		return wrong(o, val, "number too large");
	if (o->type == O_SIZE && *end && (k = strchr(suffix, *end))) {
		for (; k >= suffix; k--)
			if (__builtin_mul_overflow(v, 1024, &v))
				return wrong(o, val, "number too large");
		end++;
	}
	if (*end)
		return wrong(o, val, o->type == O_INT ? "not a whole number" :
		             "not a number of bytes (K, M, G, T may follow)");
	if (o->min != 0 || o->max != 0) {
		/* As integers: a double would take 2^53 + 1 for 2^53. */
		if (v < (int64_t)o->min || (o->max < 0x1p63 && v > (int64_t)o->max))
			return outside(o, val);
	} else if (o->type == O_SIZE && v < 0)
		return wrong(o, val, "negative");
	*out = v;
	return 0;
}

static int set_real(const struct opt *o, const char *val, double *out)
{
	char *end;
	double v = strtod(val, &end);

	if (end == val || *end || !isfinite(v) || strspn(val, "0123456789+-.eE") != strlen(val))
		return wrong(o, val, "not a number");
	if ((o->min != 0 || o->max != 0) && (v < o->min || v > o->max))
		return outside(o, val);
	*out = v;
	return 0;
}

static int set_enum(const struct opt *o, const char *val, int *out)
{
	size_t len = strlen(val);
	int i = 0;

	for (const char *w = o->words; w; w = strchr(w, '|'), w = w ? w + 1 : NULL, i++)
		if (len && !strchr(val, '|') && !strncmp(w, val, len) && (w[len] == '|' || !w[len])) {
			*out = i;
			return 0;
		}
	return err_set(ST_USAGE, "--%s '%s': one of %s", o->name, val, o->words);
}

static int set(int i, const char *val)
{
	const struct opt *o = table.row[i].o;
	void *p = table.row[i].base + o->off;
	struct strlist *list = p;

	switch (o->type) {
	case O_FLAG:
		*(bool *)p = true;
		return 0;
	case O_INT:
	case O_SIZE:
		return set_int(o, val, p);
	case O_REAL:
		return set_real(o, val, p);
	case O_STR:
	case O_FILE:
		if (!*val)
			return err_set(ST_USAGE, "--%s is empty", o->name);
		*(const char **)p = val;
		return 0;
	case O_LIST:
		list->v = xrealloc(list->v, (size_t)(list->n + 1) * sizeof(*list->v));
		list->v[list->n++] = val;
		return 0;
	case O_ENUM:
		return set_enum(o, val, p);
	case O_MORE:
		verbose = verbose < 0 ? 1 : verbose + 1;
		return 0;
	case O_LESS:
		verbose = -1;
		return 0;
	default:
		return 0;
	}
}

/* `text` in lines of at most `width`, each after the first indented by `in`; ends the line. */
static void print_wrapped(const char *text, int in, int width)
{
	int col = 0;

	while (*text) {
		int len = (int)strcspn(text, " ");

		if (col && col + 1 + len > width) {
			printf("\n%*s", in, "");
			col = 0;
		}
		printf("%s%.*s", col ? " " : "", len, text);
		col += len + (col > 0);
		text += len;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_row(const struct opt *o)
{
	enum { COL = 24, WIDTH = 80 };
	const char *arg = o->arg ? o->arg : o->words;
	char *help, letter[8] = "    ";
	int n;

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	n = printf("  %s--%s%s%s", letter, o->name, takes_arg(o) ? " " : "", takes_arg(o) && arg ? arg : "");
	if (n > COL - 2)
		printf("\n%*s", COL, "");
	else
		printf("%*s", COL - n, "");
	if (o->def && takes_arg(o) && strcmp(o->def, "0"))
		help = xasprintf("%s (default: %s)", o->help, o->def);
	else
		help = xstrdup(o->help);
	print_wrapped(help, COL, WIDTH - COL);
	free(help);
}

static void print_rows(const char *title, const struct opt *o)
{
	if (!o || o->type == O_END)
		return;
	printf("\n%s\n", title);
	for (; o->type != O_END; o++)
		print_row(o);
}

static void help(void)
{
	const struct opt_tool *t = table.tool;
	static const struct {
		unsigned group;
		const char *title;
	} title[] = {
		{ OPT_QSPEC, "Quantizer" }, { OPT_CALIB, "Calibration" }, { OPT_DEVICE | OPT_SEED | OPT_RAM, "Computation" },
		{ OPT_IO | OPT_RESUME | OPT_DRY | OPT_JSON | OPT_TALK, "General" },
	};

	printf("usage: %s %s\n", t->name, t->usage);
	print_wrapped(t->about, 0, 80);
	if (verbs) {
		printf("\nWHAT is one of\n");
		for (const struct opt_verb *v = verbs; v->name; v++)
			printf("  %-7s %s\n", v->name, v->about);
		printf("\n%s WHAT --help lists the options; %s(1) is the manual.\n", t->name, t->name);
	}
	print_rows("Options", t->own);
	for (size_t i = 0; i < sizeof(title) / sizeof(*title); i++) {
		const char *head = title[i].title;

		if (!(t->groups & title[i].group))
			continue;
		printf("\n%s\n", head);
		for (int k = 0; k < N_GROUP; k++)
			if (group[k].group & title[i].group & t->groups)
				for (const struct opt *o = group[k].row; o->type != O_END; o++)
					print_row(o);
	}
	stdout_close();
	exit(ST_OK);
}

static void completion(void)
{
	const struct opt_tool *t = table.tool;

	printf("about\t%s\n", t->about);
	for (const struct opt_verb *v = verbs; v && v->name; v++)
		printf("verb\t%s\t%s\n", v->name, v->about);
	for (int i = 0; i < table.n; i++) {
		const struct opt *o = table.row[i].o;
		/* what help shows as A|B is to be typed as one of these, whether or not the table knows all of them */
		const char *words = o->words ? o->words : o->arg && strchr(o->arg, '|') ? o->arg : NULL;

		printf("%s\t--%s\t%s%.1s\t%s", words ? "word" : !takes_arg(o) ? "flag" : o->type == O_LIST ? "list" :
		       o->type != O_FILE ? "text" : o->arg && !strcmp(o->arg, "DIR") ? "dir" : "file", o->name,
		       o->letter ? "-" : "", &o->letter, o->help);
		printf("%s%s\n", words ? "\t" : "", words ? words : "");
	}
	stdout_close();
	exit(ST_OK);
}

static void version(void)
{
	const char *blas = OPENBLAS_VERSION;

	printf("%s %s\nbundle version %d\n", table.tool->name, VERSION, OPT_BUNDLE);
	blas += strspn(blas, " ");
	printf("compiled in: %.*s", (int)strcspn(blas + 9, " ") + 9, blas);     /* "OpenBLAS 0.3.21 " */
#ifdef HAVE_DNNL
	printf(", oneDNN %d.%d.%d", DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, DNNL_VERSION_PATCH);
#endif
	putchar('\n');
	stdout_close();
	exit(ST_OK);
}

/* A program started without one of descriptors 0 to 2 would get it for the next file that it opens, and its
 * messages would go there.  Each is filled with one that cannot be used the way it is meant. */
static void hold_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			exit(ST_FAIL);
}

/* getopt's '?' and ':' in words.  `arg` is the element of argv that it stumbled on. */
NORETURN static void explain(int c, const char *arg)
{
	char name[64];
	size_t len = strcspn(arg, "=");
	int like = 0;
	const char *what;

	if (!strncmp(arg, "--", 2)) {
		snprintf(name, sizeof(name), "%.*s", (int)(len < 60 ? len : 60), arg);
		for (int i = 0; i < table.n; i++)
			like += len > 2 && !strncmp(table.row[i].o->name, arg + 2, len - 2);
	} else
		snprintf(name, sizeof(name), "-%c", optopt);
	what = c == ':' ? " needs an argument" : arg[len] == '=' && optopt ? " takes no argument" :
	       like > 1 ? " is ambiguous" : NULL;
	die(ST_USAGE, "%s '%s'%s ('%s -h' lists them)", what ? "option" : "unknown option", name, what ? what : "",
	    table.tool->name);
}

static void set_defaults(const struct opt_tool *t, void *base)
{
	memset(&common, 0, sizeof(common));
	memset(&table, 0, sizeof(table));
	table.tool = t;
	prog = t->name;
	verbose = 0;
	add_rows(t->own, base);
	for (int i = 0; i < N_GROUP; i++)
		if (t->groups & group[i].group)
			add_rows(group[i].row, &common);
	for (int i = 0; i < table.n; i++)
		if (table.row[i].o->def && set(i, table.row[i].o->def))
			die(ST_FAIL, "option table: %s", err_msg());
}

int opt_parse(const struct opt_tool *t, void *base, int argc, char **argv)
{
	struct option lng[MAX_ROW + 1];
	char shrt[2 * MAX_ROW + 3] = ":", *s = shrt + 1;
	int c;

	hold_descriptors();
	tally_start();
	err_before = progress_erase;
	set_defaults(t, base);
	if (argc == 2 && !strcmp(argv[1], "--completion"))
		completion();
	memset(lng, 0, sizeof(lng));
	for (int i = 0; i < table.n; i++) {
		const struct opt *o = table.row[i].o;

		lng[i].name = o->name;
		lng[i].has_arg = takes_arg(o) ? required_argument : no_argument;
		lng[i].val = LONG + i;
		if (o->letter) {
			*s++ = o->letter;
			if (takes_arg(o))
				*s++ = ':';
		}
	}
	opterr = 0;
	optind = 0;                     /* glibc: start anew, in a unit test too */
	for (;;) {
		int i = 0, before = optind ? optind : 1;

		while (before < argc && (argv[before][0] != '-' || !argv[before][1]))
			before++;               /* getopt moves operands behind the options */
		c = getopt_long(argc, argv, shrt, lng, NULL);
		if (c < 0)
			break;
		if (c == '?' || c == ':')
			explain(c, argv[before]);
		if (c >= LONG)
			i = c - LONG;
		else
			while (table.row[i].o->letter != c)
				i++;
		if (table.row[i].o->type == O_HELP)
			help();
		if (table.row[i].o->type == O_VERSION)
			version();
		if (set(i, optarg))
			die_err();
		table.row[i].given++;
	}
	common.quiet = verbose < 0;
	if (common.resume && t->groups & OPT_OUT && (!common.output || !strcmp(common.output, "-")))
		die(ST_USAGE, "--resume needs -o FILE");
	return optind;
}

int opt_verb(const struct opt_tool *t, const struct opt_verb *list, int argc, char **argv)
{
	char names[256] = "";

	for (const struct opt_verb *v = list; v->name; v++) {
		size_t n = strlen(names);

		if (argc > 1 && !strcmp(argv[1], v->name))
			return v->run(argc - 1, argv + 1);
		snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", v->name);
	}
	verbs = list;
	prog = t->name;
	if (argc > 1 && *argv[1] == '-')
		opt_parse(t, NULL, argc, argv);
	else if (argc > 1)
		die(ST_USAGE, "'%s' is none of %s", argv[1], names);
	die(ST_USAGE, "say what: one of %s", names);
}

cJSON *opt_provenance(void)
{
	cJSON *a = json_arr();

	for (int i = 0; i < table.n; i++) {
		const struct opt *o = table.row[i].o;
		const void *p = table.row[i].base + o->off;
		const struct strlist *list = p;
		const char *w = o->words;
		int k = list && o->type == O_LIST ? list->n : 1;

		if (!table.row[i].given || (o->flags & OPT_QUIET) || o->type == O_FILE)
			continue;
		for (int j = 0; j < k; j++) {
			char num[40] = "", *text;
			const char *val = num;
			int len = -1;

			if (o->type == O_INT || o->type == O_SIZE)
				snprintf(num, sizeof(num), "%lld", (long long)*(const int64_t *)p);
			else if (o->type == O_REAL)
				shortest(*(const double *)p, num, sizeof(num));
			else if (o->type == O_STR)
				val = *(const char *const *)p;
			else if (o->type == O_LIST)
				val = list->v[j];
			else if (o->type == O_ENUM) {
				for (int e = *(const int *)p; e > 0; e--)
					w = strchr(w, '|') + 1;
				val = w;
				len = (int)strcspn(w, "|");
			}
			if (len < 0)
				len = (int)strlen(val);
			text = xasprintf("--%s%s%.*s", o->name, takes_arg(o) ? "=" : "", len, val);
			json_push(a, cJSON_CreateString(text));
			free(text);
		}
	}
	return a;
}
