// SPDX-License-Identifier: GPL-2.0-only
/* lastline add, remove and clear: channels that come and go. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define WORDS		32		/* of a line in a file */
#define LINK_MS		1000		/* how long to wait for udev's link */

static uid_t parse_user(const char *text)
{
	const struct passwd *user = getpwnam(text);

	if (user)
		return user->pw_uid;
	if (!isdigit((unsigned char)*text))
		usage_error(&add_command, "there is no user %s", text);
	return parse_number(&add_command, text, UINT32_MAX - 1);
}

static gid_t parse_group(const char *text)
{
	const struct group *group = getgrnam(text);

	if (group)
		return group->gr_gid;
	if (!isdigit((unsigned char)*text))
		usage_error(&add_command, "there is no group %s", text);
	return parse_number(&add_command, text, UINT32_MAX - 1);
}

static unsigned int parse_permissions(const char *text)
{
	char *end;
	unsigned long permissions = strtoul(text, &end, 8);

	if (!isdigit((unsigned char)*text) || *end || permissions > 0777)
		usage_error(&add_command, "%s are no permissions like 0660", text);
	return permissions;
}

static void set_name(struct lastline_add *add, const char *name)
{
	const char *problem = name_problem(name);

	if (problem)
		usage_error(&add_command, "%s: %s", name, problem);
	strcpy(add->name, name);
}

static void set_option(struct lastline_add *add, int option)
{
	switch (option) {
	case 'n':
		add->number = parse_number(&add_command, optarg, LASTLINE_CHANNELS_MAX - 1);
		break;
	case 'l':
		add->line_max = parse_number(&add_command, optarg, LASTLINE_LINE_MAX_MAX);
		if (add->line_max < LASTLINE_LINE_MAX_MIN)
			usage_error(&add_command, "a line may have %d to %d bytes",
				    LASTLINE_LINE_MAX_MIN, LASTLINE_LINE_MAX_MAX);
		break;
	case 'o':
		add->uid = parse_user(optarg);
		break;
	case 'g':
		add->gid = parse_group(optarg);
		break;
	case 'p':
		add->permissions = parse_permissions(optarg);
		break;
	case 'r':
		add->mode = LASTLINE_MODE_RECORD;
		break;
	}
}

static const struct option add_options[] = {
	{ "from", required_argument, NULL, 'f' },
	{ "group", required_argument, NULL, 'g' },
	{ "line-max", required_argument, NULL, 'l' },
	{ "number", required_argument, NULL, 'n' },
	{ "owner", required_argument, NULL, 'o' },
	{ "permissions", required_argument, NULL, 'p' },
	{ "record", no_argument, NULL, 'r' },
	{},
};

/* What the words ask for; the file or directory of --from, too, if @from is not NULL. */
static struct lastline_add parse_words(int argc, char **argv, const char **from)
{
	struct lastline_add add = new_channel();
	int option;

	optind = 0;	/* begin anew */
	while ((option = next_option(&add_command, argc, argv, add_options)) >= 0) {
		if (option != 'f')
			set_option(&add, option);
		else if (from)
			*from = optarg;
		else
			usage_error(&add_command, "no --from inside of a file");
	}
	if (optind + 1 < argc)
		usage_error(&add_command, "only one name, not also %s", argv[optind + 1]);
	if (optind < argc)
		set_name(&add, argv[optind]);
	return add;
}

/*
 * Who is told that it is there shall find it as /dev/lastline/NAME, too: a shell would
 * make a file of that name. Where there is no udev, or no rule, there is no link.
 */
static void await_link(const char *name)
{
	char path[sizeof("/dev/lastline/") + LASTLINE_NAME_MAX];
	int ms;

	if (!*name || access("/run/udev/control", F_OK))
		return;
	snprintf(path, sizeof(path), "/dev/lastline/%s", name);
	for (ms = 0; ms < LINK_MS && access(path, F_OK); ms += 10)
		usleep(10000);
}

/* As explain(), of an error of the control device. */
static int explain_change(const char *which, int error)
{
	if (error != -EACCES && error != -EPERM)
		return explain(which, error);
	complain("only root may add and remove channels");
	return STATUS_FAILED;
}

/* Says what came of it: a number, or an error. */
static int added(const struct lastline_add *add, int number)
{
	switch (number) {
	case -EEXIST:
		complain("there is a channel of that name or number already; see: lastline list");
		return STATUS_FAILED;
	case -EINVAL:
		complain("not taken; is the owner known outside of this container?");
		return STATUS_FAILED;
	case -ENOSPC:
		complain("there are %d channels, and cannot be more", LASTLINE_CHANNELS_MAX);
		return STATUS_FAILED;
	}
	if (number < 0)
		return explain_change(*add->name ? add->name : "add", number);
	await_link(add->name);
	printf("/dev/lastline%d\n", number);
	return STATUS_OK;
}

/**
 * struct plan - the channels of some files
 * @steps: them; where each stands, and what it is to be like
 * @count: how many
 */
struct plan {
	struct step {
		char *file;
		unsigned int line;
		struct lastline_add add;
	} *steps;
	size_t count;
};

static void plan_line(struct plan *plan, const char *file, unsigned int number, char *line)
{
	char *argv[WORDS + 1] = { (char *)add_command.name }, *word, *rest = line;
	struct step *step;
	int argc = 1;

	explain_in(file, number);
	line[strcspn(line, "#\n")] = '\0';
	while ((word = strtok_r(rest, " \t\r", &rest))) {
		if (argc == WORDS)
			usage_error(&add_command, "too many words");
		argv[argc++] = word;
	}
	if (argc == 1)
		return;
	plan->steps = reallocarray(plan->steps, plan->count + 1, sizeof(*plan->steps));
	if (!plan->steps)
		give_up("out of memory");
	step = &plan->steps[plan->count++];
	*step = (struct step){ strdup(file), number, parse_words(argc, argv, NULL) };
	if (!*step->add.name)
		usage_error(&add_command, "a channel in a file has a name");
}

static void plan_file(struct plan *plan, const char *path)
{
	unsigned int number = 0;
	char *line = NULL;
	size_t size = 0;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		give_up("%s: %s", path, strerror(errno));
	while (getline(&line, &size, file) > 0)
		plan_line(plan, path, ++number, line);
	explain_in(NULL, 0);
	free(line);
	fclose(file);
}

static int is_conf(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && !strcmp(dot, ".conf");
}

static void plan_directory(struct plan *plan, const char *path)
{
	struct dirent **entries;
	char *file;
	int count, i;

	count = scandir(path, &entries, is_conf, alphasort);
	if (count < 0)
		give_up("%s: %s", path, strerror(errno));
	for (i = 0; i < count; i++) {
		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
			give_up("out of memory");
		plan_file(plan, file);
		free(file);
		free(entries[i]);
	}
	free(entries);
}

/* A channel that is there already stays as it is, so that files can be read again. */
static int add_step(const struct step *step)
{
	int number;

	explain_in(step->file, step->line);
	number = lastline_add(&step->add);
	/* It is the name that is taken, not the number. */
	if (number == -EEXIST && lastline_find(step->add.name) >= 0) {
		complain("%s is there already and stays as it is", step->add.name);
		return STATUS_OK;
	}
	return added(&step->add, number);
}

/* All is read before anything is done: a mistake is found before it does harm. */
static int add_from(const char *path)
{
	int status = STATUS_OK, ret;
	struct plan plan = {};
	struct stat st;
	size_t i;

	if (stat(path, &st))
		give_up("%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		plan_directory(&plan, path);
	else
		plan_file(&plan, path);
	for (i = 0; i < plan.count; i++) {
		ret = add_step(&plan.steps[i]);
		status = ret ? ret : status;
		free(plan.steps[i].file);
	}
	free(plan.steps);
	return status;
}

static int run_add(int argc, char **argv)
{
	const char *from = NULL;
	struct lastline_add add;

	add = parse_words(argc, argv, &from);
	if (!from)
		return added(&add, lastline_add(&add));
	if (argc > 3 || *add.name)
		usage_error(&add_command, "--from stands alone");
	return add_from(from);
}

const struct command add_command = {
	.name = "add",
	.run = run_add,
	.about = "make a channel (root)",
	.usage = "[OPTION]... [NAME]\n"
		 "       lastline add --from FILE|DIRECTORY\n"
		 "Prints its path.\n\n"
		 "  -n, --number N          /dev/lastlineN; else the lowest that is free\n"
		 "  -l, --line-max BYTES    of the longest line, 64 to 1048576\n"
		 "  -r, --record            each write is one record, whatever is in it\n"
		 "  -o, --owner USER        of the node; else root\n"
		 "  -g, --group GROUP       of the node; else lastline, if there is that group\n"
		 "  -p, --permissions MODE  of the node; else 0660\n"
		 "  -f, --from PATH         what is there, line by line: \"NAME [OPTION]...\"; of a\n"
		 "                          directory, all of its *.conf. See lastline.d(5)\n",
};

static int remove_channel(const char *which)
{
	int ret = lastline_find(which);

	if (ret >= 0)
		ret = lastline_remove(ret);
	return ret < 0 ? explain_change(which, ret) : STATUS_OK;
}

static int clear_channel(const char *which)
{
	struct lastline *channel;
	int ret;

	ret = lastline_open(&channel, which, O_WRONLY);
	if (ret)
		return explain(which, ret);
	ret = lastline_clear(channel);
	lastline_close(channel);
	return ret ? explain(which, ret) : STATUS_OK;
}

/* Does the same with each channel named. */
static int for_each(const struct command *command, int argc, char **argv,
		    int (*act)(const char *which))
{
	static const struct option options[] = { {} };
	int status = STATUS_OK, ret;

	next_option(command, argc, argv, options);
	if (optind == argc)
		usage_error(command, "which channel?");
	for (; optind < argc; optind++) {
		ret = act(argv[optind]);
		status = ret ? ret : status;
	}
	return status;
}

static int run_remove(int argc, char **argv)
{
	return for_each(&remove_command, argc, argv, remove_channel);
}

const struct command remove_command = {
	.name = "remove",
	.run = run_remove,
	.about = "take channels away (root)",
	.usage = "CHANNEL...\n"
		 "Also while they are in use: who has one open gets the error ENODEV.\n",
};

static int run_clear(int argc, char **argv)
{
	return for_each(&clear_command, argc, argv, clear_channel);
}

const struct command clear_command = {
	.name = "clear",
	.run = run_clear,
	.about = "forget the newest line",
	.usage = "CHANNEL...\n"
		 "As if nothing had been published there yet. Wakes nobody.\n",
};
