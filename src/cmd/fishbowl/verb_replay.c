/* SPDX-License-Identifier: Apache-2.0 */
/* fishbowl replay - captures through the gate, offline. Opens everything, then leaves the captured
 * bytes to a process of its own (replay_child) and puts its output in place when it is done.
 * fishbowl rules profile - the same, and what the rules have cost instead of records. */
#include "cmd/fishbowl/verbs.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/fishbowl/replay_child.h"
#include "cmd/fishbowl/replay_files.h"
#include "cmd/fishbowl/replay_nets.h"
#include "cmd/fishbowl/rules_profile.h"
#include "cmd/fishbowl/signature_files.h"
#include "conf/conf.h"
#include "conf/list.h"
#include "control/policy.h"
#include "rules/files.h"

enum {
	OPT_HOME = 256,
	OPT_EXTERNAL,
	OPT_RULES,
	OPT_SIGNATURES,
	OPT_GEO,
	OPT_MODE,
	OPT_MIDSTREAM,
	OPT_IGNORE_CHECKSUMS,
	OPT_CHECK_VERDICTS,
	OPT_ROLE,
	OPT_COUNT,
	OPT_FILES,
	OPT_CHECKSUMS,
	EXIT_USAGE = 2
};

/* At a time, where no configuration says it; about 200 bytes each, taken when used. */
enum { FLOWS_WITHOUT_CONF = 1 << 20 };

static const char default_home[] =
	"[10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,169.254.0.0/16,fc00::/7,fe80::/10]";
static const char eve_name[] = "eve.json";
static const char eve_partial[] = "eve.json.partial";

/* Captures from elsewhere have wrong checksums because they were left to a NIC, or addresses were exchanged. */
enum sums { SUMS_NOT_SAID, SUMS_RIGHT, SUMS_ANY };

struct request {
	const char *home_text, *external_text, *conf_path, *output;
	char *rules[CONF_RULE_FILES_MAX]; /* files */
	size_t n_rules;
	bool is_inline, midstream, failed;
	enum sums sums;
	bool check_verdicts;
	enum role role;
	struct rules_profile *profile; /* asked for; NULL: records are */
	struct rules_files rule_files;
	char *signatures[CONF_SIGNATURES_MAX], *geo[CONF_GEO_FILES_MAX]; /* files */
	size_t n_signatures, n_geo;
	struct signature_files signature_files;
	struct conf *conf;
	struct policy *policy;
	struct replay_nets *home, *external;
	struct replay_input *input;
	size_t n_inputs;
	const char *files_dir; /* NULL: files are not kept */
	struct replay_files *files;
	int dir_fd;    /* of -o DIR; -1: none */
	int output_fd; /* -1: there is only the summary */
	char *output_path;
};

static const struct argp_option shared_options[] = {
	{ "config", 'c', "FILE", 0,
		"Judge with this configuration, as the gateway would; without it nothing is judged",
		0 },
	{ "home", OPT_HOME, "NETS", 0,
		"The home networks, such as '[10.0.0.0/8,!10.9.0.0/16]' (default: private and "
		"link-local "
		"addresses). With -c: addresses that are behind the gateway beside the honeypots'",
		0 },
	{ "external", OPT_EXTERNAL, "NETS", 0, "The networks outside (default: '!$HOME_NET')", 0 },
	{ "rules", OPT_RULES, "FILE", 0,
		"Hold the frames against the rules in FILE, in the language of Snort and Suricata, "
		"instead of those of the configuration; may be given more than once. $HOME_NET and "
		"$EXTERNAL_NET are --home and --external where given",
		0 },
	{ "signatures", OPT_SIGNATURES, "FILE", 0,
		"Tell systems and programs by the signatures in FILE, in the format of p0f 3, "
		"instead "
		"of those of the configuration; may be given more than once",
		0 },
	{ "geo", OPT_GEO, "FILE", 0,
		"Tell where addresses are by FILE, in the MMDB format, instead of those of the "
		"configuration; may be given more than once",
		0 },
	{ "mode", OPT_MODE, "ids|ips", 0,
		"ids: rules only alert (default); ips: they drop, reject and replace as inline",
		0 },
	{ "midstream", OPT_MIDSTREAM, "true|false", 0,
		"Follow TCP conversations whose beginning is not in the capture (default: true)",
		0 },
	{ "checksums", OPT_CHECKSUMS, "right|any", 0,
		"Look at packets with right checksums only, as who receives them does, or with any "
		"(default: any; with -c: right)",
		0 },
	{ "ignore-checksums", OPT_IGNORE_CHECKSUMS, NULL, 0, "The same as --checksums=any", 0 },
	{ 0 },
};

static const struct argp_option replay_options[] = {
	{ "output", 'o', "DIR", 0,
		"Write DIR/eve.json; DIR is made if it is missing. -: standard output. Without it "
		"there is only the summary",
		0 },
	{ "role", OPT_ROLE, "ROLE", 0,
		"For whom: analyst (default), or viewer: no passwords, words, payloads; other "
		"names "
		"for persons",
		0 },
	{ "files", OPT_FILES, "DIR", 0,
		"Keep the files that are carried in DIR, each once, and write a record of each; "
		"see "
		"fishbowl files -d DIR",
		0 },
	{ "check-verdicts", OPT_CHECK_VERDICTS, NULL, 0,
		"With -c and a capture of the gateway: compare the verdict of each packet with the "
		"recorded one",
		0 },
	{ 0 },
};

static const struct argp_option profile_options[] = {
	{ "count", OPT_COUNT, "NUMBER", 0, "Print so many rules (default: 20)", 0 },
	{ "json", 'j', NULL, 0, "As one JSON object", 0 },
	{ 0 },
};

static const char replay_doc[] =
	"Feeds captures (pcap, pcapng) through the gate and its flow log and writes the records as "
	"EVE "
	"JSON, one a line; a summary goes to standard error, or to standard output where the "
	"records go nowhere."
	"\vCAPTURE may be - for standard input. Several captures are one stream in the order "
	"given. Time "
	"is that of the packets: the same captures give the same bytes. A frame's number "
	"(pcap_cnt) "
	"counts over all captures.\n\n"
	"Exit status: 0 all was read; 1 something could not be read or a recorded verdict differs "
	"(the "
	"records of the rest are in place); 2 wrong arguments; 3 the records could not be written; "
	"4 "
	"nothing could be begun (memory, sandbox).";

static const char profile_doc[] =
	"Holds captures (pcap, pcapng) against rules, as fishbowl replay does, and prints the "
	"rules that "
	"took most time."
	"\vExit status: 0 all was read; 1 something could not be read; 2 wrong arguments; 3 the "
	"result "
	"could not be written; 4 nothing could be begun (memory, sandbox).";

static void add_file(char **files, size_t *n, size_t max, char *path, struct argp_state *state)
{
	if (*n == max)
		argp_error(state, "%s: there is room for %zu files", path, max);
	files[(*n)++] = path;
}

/* The first of two words, or the second. */
static bool choose(struct argp_state *state, const char *option, const char *arg, const char *first,
	const char *second)
{
	if (strcmp(arg, first) != 0 && strcmp(arg, second) != 0)
		argp_error(state, "%s '%s': %s or %s", option, arg, first, second);
	return strcmp(arg, first) == 0;
}

static error_t on_shared_option(int key, char *arg, struct argp_state *state)
{
	struct request *q = state->input;

	switch (key) {
	case 'c':
		q->conf_path = arg;
		break;
	case OPT_HOME:
		q->home_text = arg;
		break;
	case OPT_EXTERNAL:
		q->external_text = arg;
		break;
	case OPT_RULES:
		add_file(q->rules, &q->n_rules, CONF_RULE_FILES_MAX, arg, state);
		break;
	case OPT_SIGNATURES:
		add_file(q->signatures, &q->n_signatures, CONF_SIGNATURES_MAX, arg, state);
		break;
	case OPT_GEO:
		add_file(q->geo, &q->n_geo, CONF_GEO_FILES_MAX, arg, state);
		break;
	case OPT_MODE:
		q->is_inline = choose(state, "--mode", arg, "ips", "ids");
		break;
	case OPT_MIDSTREAM:
		q->midstream = choose(state, "--midstream", arg, "true", "false");
		break;
	case OPT_IGNORE_CHECKSUMS:
		q->sums = SUMS_ANY;
		break;
	case OPT_CHECKSUMS:
		q->sums = choose(state, "--checksums", arg, "right", "any") ? SUMS_RIGHT : SUMS_ANY;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void check_request(const struct request *q, struct argp_state *state)
{
	if (q->n_inputs == 0)
		argp_error(state, "no capture named");
	if (q->check_verdicts && !q->conf_path)
		argp_error(state, "--check-verdicts needs the gateway's configuration: -c FILE");
	if (q->profile && q->n_rules == 0 && !q->conf_path)
		argp_error(state, "name rules with --rules, or a configuration with -c");
}

static void take_count(struct request *q, const char *arg, struct argp_state *state)
{
	char *end;
	unsigned long n = strtoul(arg, &end, 10);

	if (*arg < '1' || *arg > '9' || *end || n > UINT32_MAX)
		argp_error(state, "--count '%s': not a number of rules", arg);
	q->profile->count = (uint32_t)n;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct request *q = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = q;
		break;
	case 'o':
		q->output = arg;
		break;
	case OPT_ROLE:
		if (!role_find(arg, &q->role))
			argp_error(state, "--role '%s': write analyst or viewer", arg);
		break;
	case OPT_FILES:
		q->files_dir = arg;
		break;
	case OPT_CHECK_VERDICTS:
		q->check_verdicts = true;
		break;
	case OPT_COUNT:
		take_count(q, arg, state);
		break;
	case 'j':
		q->profile->json = true;
		break;
	case ARGP_KEY_ARG:
		q->input[q->n_inputs++] = (struct replay_input){ .path = arg, .fd = -1 };
		break;
	case ARGP_KEY_END:
		check_request(q, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int parse_nets(const char *option, const char *text, const struct replay_nets *home,
	struct replay_nets **ret_nets)
{
	const char *fault = "out of memory";
	int r = replay_nets_parse(text, home, ret_nets, &fault);

	if (r < 0)
		fprintf(stderr, "fishbowl: %s '%s': %s\n", option, text, fault);
	return r;
}

static int load_settings(struct request *q)
{
	char *faults = NULL;
	int r;

	if (q->conf_path) {
		r = conf_load(q->conf_path, &q->conf, &faults);
		if (r < 0)
			fprintf(stderr, "%s", faults ? faults : "fishbowl: out of memory\n");
		free(faults);
	} else {
		r = conf_default(&q->conf);
		if (r < 0)
			fprintf(stderr, "fishbowl: out of memory\n");
		else
			q->conf->flow.max = FLOWS_WITHOUT_CONF;
	}
	if (r < 0)
		return r;
	if (!q->home_text && !q->conf_path)
		q->home_text = default_home;
	if (q->home_text && parse_nets("--home", q->home_text, NULL, &q->home) < 0)
		return -EINVAL;
	if (q->external_text &&
		parse_nets("--external", q->external_text, q->home, &q->external) < 0)
		return -EINVAL;
	return 0;
}

/* Every capture is open before the first is read: as many descriptors as the system gives. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int open_input(struct replay_input *input)
{
	struct stat st;

	if (strcmp(input->path, "-") == 0) {
		input->fd = STDIN_FILENO;
		return 0;
	}
	input->fd = open(input->path, O_RDONLY | O_CLOEXEC);
	if (input->fd < 0 || fstat(input->fd, &st) < 0) {
		fprintf(stderr,
			"fishbowl: cannot open '%s': %s; check the name and its permissions\n",
			input->path, strerror(errno));
		return -EIO;
	}
	if (S_ISDIR(st.st_mode)) {
		fprintf(stderr, "fishbowl: '%s' is a directory; name the capture files in it\n",
			input->path);
		close(input->fd);
		return -EISDIR;
	}
	input->size = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
	return 0;
}

/* Keeps those that can be opened. */
static void open_inputs(struct request *q)
{
	size_t n = 0;

	raise_file_limit();
	for (size_t i = 0; i < q->n_inputs; i++) {
		if (open_input(&q->input[i]) < 0)
			q->failed = true;
		else
			q->input[n++] = q->input[i];
	}
	q->n_inputs = n;
}

static int make_directories(const char *path)
{
	char *copy = strdup(path);
	int r = 0;

	if (!copy)
		return -ENOMEM;
	for (char *slash = copy + 1; r == 0 && *copy && (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			r = -errno;
		*slash = '/';
	}
	if (r == 0 && mkdir(copy, 0755) < 0 && errno != EEXIST)
		r = -errno;
	free(copy);
	return r;
}

static int refuse_output(const struct request *q, int error)
{
	fprintf(stderr,
		"fishbowl: cannot write to '%s': %s; name a directory that can be written with "
		"-o\n",
		q->output, strerror(-error));
	return error;
}

static int open_output(struct request *q)
{
	int r;

	q->dir_fd = -1;
	if (!q->output || strcmp(q->output, "-") == 0) {
		q->output_fd = q->output ? STDOUT_FILENO : -1;
		q->output_path = strdup("standard output");
		return q->output_path ? 0 : -ENOMEM;
	}
	r = make_directories(q->output);
	if (r < 0)
		return refuse_output(q, r);
	q->dir_fd = open(q->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (q->dir_fd < 0)
		return refuse_output(q, -errno);
	q->output_fd = openat(q->dir_fd, eve_partial,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (q->output_fd < 0)
		return refuse_output(q, -errno);
	if (asprintf(&q->output_path, "%s/%s", q->output, eve_partial) < 0) {
		q->output_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int put_in_place(const struct request *q)
{
	if (q->dir_fd < 0 || renameat(q->dir_fd, eve_partial, q->dir_fd, eve_name) == 0)
		return 0;
	return refuse_output(q, -errno);
}

static int wait_for(pid_t pid, const struct request *q)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return REPLAY_NO_OUTPUT;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	if (WTERMSIG(status) == SIGPIPE)
		return REPLAY_NO_OUTPUT; /* who read our output has gone, and knows it */
	fprintf(stderr,
		"fishbowl: the process that read the captures was stopped (%s); the records in %s "
		"are "
		"incomplete. If nobody stopped it, one of the captures found a fault in Fishbowl: "
		"please "
		"report it\n",
		strsignal(WTERMSIG(status)), q->output_path);
	return REPLAY_NO_OUTPUT;
}

static int run(const struct request *q)
{
	const struct replay_job job = {
		.input = q->input,
		.n_inputs = q->n_inputs,
		.conf = q->conf,
		.image = q->policy,
		.policy = q->conf_path != NULL,
		.home = q->home,
		.external = q->external,
		.rules = q->conf->top.rules.n > 0 ? &q->rule_files : NULL,
		.signatures = &q->signature_files,
		.is_inline = q->is_inline,
		.midstream = q->midstream,
		.ignore_checksums =
			q->sums == SUMS_ANY || (q->sums == SUMS_NOT_SAID && !q->conf_path),
		.check_verdicts = q->check_verdicts,
		.role = q->role,
		.profile = q->profile,
		.files = q->files,
		.output_fd = q->output_fd,
		.output_path = q->output_path,
	};
	int status;
	pid_t pid = fork();

	if (pid < 0) {
		fprintf(stderr, "fishbowl: cannot start a process: %s\n", strerror(errno));
		return REPLAY_NO_START;
	}
	if (pid == 0)
		replay_child_run(&job);
	status = wait_for(pid, q);
	if (q->files && !replay_files_wait(q->files) && status == REPLAY_ALL)
		status = REPLAY_PART;
	if ((status == REPLAY_ALL || status == REPLAY_PART) && put_in_place(q) < 0)
		return REPLAY_NO_OUTPUT;
	return status == REPLAY_ALL && q->failed ? REPLAY_PART : status;
}

/* No rule of a list is over: a capture's time is not ours. */
static int load_policy(struct request *q)
{
	struct list lists[LIST_COUNT] = { 0 };
	const struct policy_source source = { .conf = q->conf, .list = lists, .generation = 1 };
	char *faults = NULL;
	int r = conf_lists_load(q->conf, lists, &faults);

	if (r == 0)
		r = policy_build(&source, &q->policy);
	if (r < 0)
		fprintf(stderr, "fishbowl: %s\n", faults ? faults : strerror(-r));
	free(faults);
	for (unsigned i = 0; i < LIST_COUNT; i++)
		list_done(&lists[i]);
	return r;
}

static int add_text(struct conf_texts *texts, const char *before, const char *text)
{
	char **more = reallocarray(texts->text, texts->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	texts->text = more;
	if (asprintf(&more[texts->n], "%s%s", before, text) < 0)
		return -ENOMEM;
	texts->n++;
	return 0;
}

/* Files named here take the place of the configuration's. */
static int name_files(struct conf_texts *texts, char *const *files, size_t n)
{
	int r = 0;

	for (size_t i = 0; n > 0 && i < texts->n; i++)
		free(texts->text[i]);
	if (n > 0)
		texts->n = 0;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_text(texts, "", files[i]);
	return r;
}

static int name_rules(struct request *q)
{
	struct conf_top *top = &q->conf->top;
	int r = name_files(&top->rules, q->rules, q->n_rules);

	if (r == 0 && q->home_text)
		r = add_text(&top->rule_vars, "HOME_NET=", q->home_text);
	if (r == 0 && q->external_text)
		r = add_text(&top->rule_vars, "EXTERNAL_NET=", q->external_text);
	return r;
}

static int open_signatures(struct request *q)
{
	char *why = NULL;
	int r = name_files(&q->conf->fingerprint.signatures, q->signatures, q->n_signatures);

	if (r == 0)
		r = name_files(&q->conf->geo.database, q->geo, q->n_geo);
	if (r == 0)
		r = signature_files_open(q->conf, &q->signature_files, &why);
	if (r < 0)
		fprintf(stderr, "fishbowl: signatures: %s\n", why ? why : strerror(-r));
	free(why);
	return r;
}

static int load_rules(struct request *q)
{
	char *why = NULL;
	int r = name_rules(q);

	if (r == 0)
		r = rules_files_open(q->conf, &q->rule_files, &why);
	if (r < 0)
		fprintf(stderr, "fishbowl: rules: %s\n", why ? why : rules_file_reason(r));
	free(why);
	if (r == 0 && q->profile && q->conf->top.rules.n == 0) {
		fprintf(stderr, "fishbowl: %s names no rules; name some with --rules\n",
			q->conf_path);
		return -EINVAL;
	}
	return r;
}

static int replay_all(struct request *q)
{
	if (q->failed || load_settings(q) < 0 || load_policy(q) < 0)
		return EXIT_USAGE;
	if (load_rules(q) < 0 || open_signatures(q) < 0)
		return EXIT_USAGE;
	/* Before anything is open that is not its business. */
	if (q->files_dir && (replay_files_new(q->conf, q->files_dir, &q->files) < 0 ||
				    replay_files_start(q->files) < 0))
		return REPLAY_NO_OUTPUT;
	open_inputs(q);
	if (q->n_inputs == 0)
		return REPLAY_PART;
	if (open_output(q) < 0)
		return REPLAY_NO_OUTPUT;
	return run(q);
}

static int run_command(struct request *q, const struct argp *argp, int argc, char **argv)
{
	int status;

	q->input = calloc((size_t)argc, sizeof(*q->input));
	if (!q->input)
		return REPLAY_NO_START;
	argp_err_exit_status = EXIT_USAGE;
	argp_parse(argp, argc, argv, 0, NULL, q);
	status = replay_all(q);
	replay_files_free(q->files);
	replay_nets_free(q->external);
	replay_nets_free(q->home);
	free(q->policy);
	conf_free(q->conf);
	free(q->output_path);
	free(q->input);
	return status;
}

static const struct argp shared_argp = { shared_options, on_shared_option, NULL, NULL, NULL, NULL,
	NULL };
static const struct argp_child shared[] = { { &shared_argp, 0, NULL, 0 }, { 0 } };

int verb_replay(int argc, char **argv)
{
	static const struct argp argp = { replay_options, on_option, "CAPTURE...", replay_doc,
		shared, NULL, NULL };
	static char name[] = "fishbowl replay";
	struct request q = { .dir_fd = -1, .midstream = true };

	argv[0] = name;
	return run_command(&q, &argp, argc, argv);
}

int rules_profile(int argc, char **argv)
{
	static const struct argp argp = { profile_options, on_option, "CAPTURE...", profile_doc,
		shared, NULL, NULL };
	static char name[] = "fishbowl rules profile";
	struct rules_profile profile = { .count = 20 };
	struct request q = { .dir_fd = -1, .midstream = true, .output = "-", .profile = &profile };

	argv[0] = name;
	return run_command(&q, &argp, argc, argv);
}
