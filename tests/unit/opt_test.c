/* The option table: parser, help, version, provenance. */
#include "base/opt.h"

#include "base/err.h"
#include "base/progress.h"
#include "bundle/bundle.h"
#include "child.h"
#include "tap.h"

#include <fcntl.h>

static struct own {
	double damp;
	bool act;
	int64_t count, bytes;
	int order;
	const char *stats;
} own;

static const struct opt rows[] = {
	{ .name = "damp", .type = O_REAL, .off = offsetof(struct own, damp), .arg = "X", .def = "0.01", .max = 1,
	  .help = "damping" },
	{ .name = "act-order", .letter = 'a', .type = O_FLAG, .off = offsetof(struct own, act), .help = "order" },
	{ .name = "count", .letter = 'c', .type = O_INT, .off = offsetof(struct own, count), .arg = "N", .def = "7",
	  .min = -5, .max = 99,
	  .help = "how many of them there are, in a text that is so long that it is broken into lines" },
	{ .name = "bytes", .type = O_SIZE, .off = offsetof(struct own, bytes), .arg = "SIZE", .help = "bytes" },
	{ .name = "order", .type = O_ENUM, .off = offsetof(struct own, order), .words = "up|down|updown", .def = "down",
	  .help = "order" },
	{ .name = "stats", .type = O_FILE, .off = offsetof(struct own, stats), .arg = "FILE", .help = "statistics" },
	{ .type = O_END }
};
static const struct opt_tool all = {
	"llmc-x", "[options] [FILE]", "does it",
	OPT_IO | OPT_TALK | OPT_DEVICE | OPT_CALIB | OPT_QSPEC | OPT_SEED | OPT_DRY | OPT_JSON, rows
};
static const struct opt_tool few = { "llmc-y", "[FILE]", "does less", OPT_TALK, NULL };

enum { MAX_ARG = 40 };
struct line {
	const struct opt_tool *tool;
	int argc;
	char *argv[MAX_ARG + 1];
	char text[512];
};

/* Words of a command line, parted by spaces. */
static struct line *words(const struct opt_tool *t, const char *s)
{
	static struct line l;

	memset(&l, 0, sizeof(l));
	l.tool = t;
	snprintf(l.text, sizeof(l.text), "prog %s", s);
	for (char *w = strtok(l.text, " "); w && l.argc < MAX_ARG; w = strtok(NULL, " "))
		l.argv[l.argc++] = w;
	return &l;
}

static int parse(const char *s)
{
	struct line *l = words(&all, s);

	memset(&own, 0, sizeof(own));
	return opt_parse(&all, &own, l->argc, l->argv);
}

static void parse_child(void *arg)
{
	struct line *l = arg;

	printf("%d", opt_parse(l->tool, &own, l->argc, l->argv));
}

static void refuses(const char *s, const char *message)
{
	struct child c = child_run(parse_child, words(&all, s));
	char want[256];

	snprintf(want, sizeof(want), "llmc-x: %s\n", message);
	ok(c.status == ST_USAGE && !*c.out && !strcmp(c.err, want), "%s: %s", s, message);
	if (strcmp(c.err, want))
		diag("got status %d, '%s'", c.status, c.err);
}

static void test_values(void)
{
	is_int(parse(""), 1, "no arguments");
	ok(own.damp == 0.01 && own.count == 7 && own.order == 1 && !own.act && !own.stats, "own defaults");
	ok(!strcmp(common.device, "cpu") && common.threads == 0 && common.dtype == 0 && !common.output &&
	   !common.weight && common.samples == 0 && common.seqlen == 0 && common.seed == 0 &&
	   !common.rule.n && !verbose && !common.quiet,
	   "shared defaults");
	is_str(prog, "llmc-x", "the program's name");
	is_int(parse("--damp=.5 -a -c 12 --bytes 3K --order updown x --stats s -o out -j -n --no-pg -v"), 17,
	       "operands may stand between options");
	ok(own.damp == .5 && own.act && own.count == 12 && own.bytes == 3072 && own.order == 2 &&
	   !strcmp(own.stats, "s"), "own");
	ok(!strcmp(common.output, "out") && common.json && common.dry && common.no_pg && verbose == 1, "shared");
	is_int(parse("-d ref -t 3 --dtype bf16 --seed 9007199254740992 --calib c --samples 128 --seqlen 2048 "
	             "-w int4 --rule a=b --skip s --rule c=d --progress never"), 25, "the others");
	ok(!strcmp(common.device, "ref") && common.threads == 3 && common.dtype == 2 && common.seed == (int64_t)1 << 53,
	   "device");
	ok(!strcmp(common.calib, "c") && common.samples == 128 && common.seqlen == 2048, "calibration");
	ok(!strcmp(common.weight, "int4") && common.rule.n == 2 && !strcmp(common.rule.v[0], "a=b") &&
	   !strcmp(common.rule.v[1], "c=d") && common.skip.n == 1 && !strcmp(common.skip.v[0], "s"), "quantizer");
	ok(common.progress == PROGRESS_NEVER, "progress");
	ok(parse("-vv -v -- -v") == 4 && verbose == 3, "-v adds up, -- ends options");
	ok(parse("-q -") == 2 && verbose == -1 && common.quiet, "-q; - is an operand");
	ok(parse("-c -5") == 3 && own.count == -5, "a negative value");
	ok(parse("--bytes 5") && own.bytes == 5 && parse("--bytes 2T") && own.bytes == (int64_t)2 << 40, "sizes");
	ok(parse("--coun 3") == 3 && own.count == 3, "a long name may be cut where it stays unique");
	ok(parse("--damp 1e-3") && own.damp == 1e-3 && parse("--damp 0") && own.damp == 0, "reals");
}

static void test_misuse(void)
{
	refuses("--foo", "unknown option '--foo' ('llmc-x -h' lists them)");
	refuses("--foo=1", "unknown option '--foo' ('llmc-x -h' lists them)");
	refuses("-Z", "unknown option '-Z' ('llmc-x -h' lists them)");
	refuses("-aZ", "unknown option '-Z' ('llmc-x -h' lists them)");
	refuses("-a --foo", "unknown option '--foo' ('llmc-x -h' lists them)");
	refuses("--s 1", "option '--s' is ambiguous ('llmc-x -h' lists them)");
	refuses("--count", "option '--count' needs an argument ('llmc-x -h' lists them)");
	refuses("-a -c", "option '-c' needs an argument ('llmc-x -h' lists them)");
	refuses("--act-order=1", "option '--act-order' takes no argument ('llmc-x -h' lists them)");
	refuses("-c x", "--count 'x': not a whole number");
	refuses("-c 1x", "--count '1x': not a whole number");
	refuses("-c 1.5", "--count '1.5': not a whole number");
	refuses("-c 0x10", "--count '0x10': not a whole number");
	refuses("-c +1", "--count '+1': not a whole number");
	refuses("--count=", "--count '': not a whole number");
	refuses("-c 100", "--count '100': outside -5..99");
	refuses("-c -6", "--count '-6': outside -5..99");
	refuses("-c 9223372036854775808", "--count '9223372036854775808': number too large");
	refuses("--seed 9007199254740993", "--seed '9007199254740993': outside 0..9007199254740992");
	refuses("--seed -1", "--seed '-1': outside 0..9007199254740992");
	refuses("--bytes 1Q", "--bytes '1Q': not a number of bytes (K, M, G, T may follow)");
	refuses("--bytes 1KB", "--bytes '1KB': not a number of bytes (K, M, G, T may follow)");
	refuses("--bytes 9000000T", "--bytes '9000000T': number too large");
	refuses("--bytes -1", "--bytes '-1': negative");
	refuses("--damp nan", "--damp 'nan': not a number");
	refuses("--damp 1,5", "--damp '1,5': not a number");
	refuses("--damp 1e999", "--damp '1e999': not a number");
	refuses("--damp -0.1", "--damp '-0.1': outside 0..1");
	refuses("--order u", "--order 'u': one of up|down|updown");
	refuses("--order=", "--order '': one of up|down|updown");
	refuses("--order up|down", "--order 'up|down': one of up|down|updown");
	refuses("--output=", "--output is empty");
	refuses("-t 1025", "--threads '1025': outside 0..1024");
	ok(child_run(parse_child, words(&few, "--calib x")).status == ST_USAGE,
	   "a group that a tool has not asked for is unknown");
}

static void test_help(void)
{
	struct child c = child_run(parse_child, words(&all, "-c 3 --help --foo"));
	bool narrow = true, rowed = true;

	ok(c.status == 0 && !*c.err, "--help exits 0, before what follows is looked at");
	for (char *p = c.out; *p; p += strcspn(p, "\n"), p += *p == '\n')
		narrow &= strcspn(p, "\n") <= 80;
	ok(narrow, "in lines of 80 at most");
	for (const struct opt *o = rows; o->type != O_END; o++)
		rowed &= strstr(c.out, o->name) != NULL;
	ok(rowed, "every row is there");
	ok(strstr(c.out, "usage: llmc-x [options] [FILE]\ndoes it\n") == c.out, "the usage first");
	ok(strstr(c.out, "\n  -c, --count N         how many of them there are, in a text that is so long\n"
	                 "                        that it is broken into lines (default: 7)\n"), "columns");
	ok(strstr(c.out, "\n      --order up|down|updown\n                        order (default: down)\n"),
	   "a long name has its own line");
	c = child_run(parse_child, words(&few, "-h"));
	ok(c.status == 0 && strstr(c.out, "--quiet") && !strstr(c.out, "--output"),
	   "groups that were asked for, no others");
}

static const struct opt words_rows[] = {
	{ .name = "where", .letter = 'w', .type = O_STR, .off = offsetof(struct own, stats), .arg = "here|there",
	  .help = "a place" },
	{ .name = "dir", .type = O_FILE, .off = offsetof(struct own, stats), .arg = "DIR", .help = "a directory" },
	{ .type = O_END }
};
static const struct opt_tool wordy = { "llmc-z", "[FILE]", "knows words", 0, words_rows };

static void test_completion(void)
{
	static const char *const want =
		"about\tknows words\n"
		"word\t--where\t-w\ta place\there|there\n"
		"dir\t--dir\t\ta directory\n";
	static const char *const rest[] = {
		"\ntext\t--damp\t\tdamping\n", "\nflag\t--act-order\t-a\torder\n",
		"\nword\t--order\t\torder\tup|down|updown\n", "\nfile\t--stats\t\tstatistics\n", "\nlist\t--rule\t\t"
	};
	struct child c = child_run(parse_child, words(&wordy, "--completion"));

	is_str(c.out, want, "tables for completion: words, directories");
	c = child_run(parse_child, words(&all, "--completion"));
	for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++)
		ok(c.status == 0 && strstr(c.out, rest[i]), "a row %s", rest[i] + 1);
	ok(child_run(parse_child, words(&all, "--completion x")).status == ST_USAGE, "as the only word");
	ok(!strstr(child_run(parse_child, words(&all, "--help")).out, "--completion"), "and not for people");
}

static int verb_one(int argc, char **argv)
{
	printf("one %d %s", argc, argv[argc - 1]);
	return 7;
}

static void verb_child(void *arg)
{
	static const struct opt_verb verbs[] = { { "one", verb_one, "the first" }, { "two", verb_one, "another" }, { 0 } };
	struct line *l = arg;

	exit(opt_verb(&few, verbs, l->argc, l->argv));
}

static void test_verbs(void)
{
	struct child c = child_run(verb_child, words(&few, "one -x y"));

	ok(c.status == 7, "a verb's status");
	is_str(c.out, "one 3 y", "and what follows it");
	c = child_run(verb_child, words(&few, "three"));
	ok(c.status == ST_USAGE, "no such verb");
	is_str(c.err, "llmc-y: 'three' is none of one, two\n", "says which there are");
	is_str(child_run(verb_child, words(&few, "")).err, "llmc-y: say what: one of one, two\n", "none at all");
	c = child_run(verb_child, words(&few, "--help"));
	ok(c.status == 0 && strstr(c.out, "\n  one     the first\n  two     another\n"), "help lists them");
	c = child_run(verb_child, words(&few, "--completion"));
	ok(c.status == 0 && strstr(c.out, "about\tdoes less\nverb\tone\tthe first\nverb\ttwo\tanother\n"),
	   "and so does completion");
	ok(child_run(verb_child, words(&few, "-v")).status == ST_USAGE, "an option is not enough");
}

static void test_version(void)
{
	struct child c = child_run(parse_child, words(&all, "--version"));
	char first[64];

	snprintf(first, sizeof(first), "llmc-x %s\nbundle version %d\ncompiled in: OpenBLAS ", VERSION, BUNDLE_VERSION);
	ok(c.status == 0 && !strncmp(c.out, first, strlen(first)), "--version");
#ifdef HAVE_DNNL
	ok(strstr(c.out, ", oneDNN "), "names what was compiled in");
#else
	ok(!strstr(c.out, "oneDNN"), "names what was compiled in");
#endif
}

static void provenance(const char *line, const char *want)
{
	cJSON *a;
	char *s;

	parse(line);
	a = opt_provenance();
	s = json_text(a, false);
	is_str(s, want, line);
	free(s);
	cJSON_Delete(a);
}

static void test_provenance(void)
{
	provenance("", "[]");
	provenance("-t 2 -v -q -o f -j -n --no-pg --progress never --calib c --stats s x", "[]");
	provenance("--rule b=c -c 012 --rule a=d -w int4 -a --damp 0.10 --dtype f32 --seed 0",
	           "[\"--damp=0.1\",\"--act-order\",\"--count=12\",\"--weight=int4\",\"--rule=b=c\",\"--rule=a=d\","
	           "\"--seed=0\",\"--dtype=f32\"]");
	provenance("--damp 0.3333333333333333 --order updown --bytes 1K",
	           "[\"--damp=0.3333333333333333\",\"--bytes=1024\",\"--order=updown\"]");
}

/* A tool started with a descriptor closed must not get it for a file that it opens. */
static void closed(void *which)
{
	struct line *l = words(&few, "");
	int fd;

	close(*(int *)which);
	opt_parse(&few, NULL, l->argc, l->argv);
	fd = open("/dev/null", O_RDWR);
	_exit(fd > 2 ? 0 : 1);
}

static void test_descriptors(void)
{
	for (int fd = 0; fd < 3; fd++)
		ok(child_run(closed, &fd).status == 0, "descriptor %d closed: files do not fall into its place", fd);
}

static void progress(void *arg)
{
	struct line *l = arg;

	opt_parse(&few, NULL, l->argc, l->argv);
	progress_begin("block", 30);
	progress_at(15);
	warn("hey");
	progress_end();
}

static void test_progress(void)
{
	struct child c = child_run(progress, words(&few, "--progress always"));

	ok(strstr(c.err, "\r\033[Kllmc-y: hey\n") != NULL, "progress is erased before a message: %s", c.err);
	is_str(child_run(progress, words(&few, "")).err, "llmc-y: hey\n", "and is not for files");
	is_str(child_run(progress, words(&few, "-q")).err, "", "-q says nothing at all");
}

int main(void)
{
	plan(0);
	test_values();
	test_misuse();
	test_help();
	test_completion();
	test_verbs();
	test_version();
	test_provenance();
	test_descriptors();
	test_progress();
	return done();
}
