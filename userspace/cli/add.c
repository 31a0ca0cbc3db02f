// SPDX-License-Identifier: GPL-2.0-only
/* lastline add: add a channel, or those of configuration files. */
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
#include "new_channel.h"

#define WORDS_MAX	32		/* in a line of a configuration file */
#define LINK_TIMEOUT_MS	1000		/* for the symbolic link that udev creates */

static uid_t parse_user(const char *text)
{
	const struct passwd *user = getpwnam(text);

	if (user)
		return user->pw_uid;
	if (!isdigit((unsigned char)*text))
		usage_error(&add_command, "unknown user: %s", text);
	return parse_number(&add_command, text, UINT32_MAX - 1);
}

static gid_t parse_group(const char *text)
{
	const struct group *group = getgrnam(text);

	if (group)
		return group->gr_gid;
	if (!isdigit((unsigned char)*text))
		usage_error(&add_command, "unknown group: %s", text);
	return parse_number(&add_command, text, UINT32_MAX - 1);
}

static unsigned int parse_permissions(const char *text)
{
	char *end;
	unsigned long permissions = strtoul(text, &end, 8);

	if (!isdigit((unsigned char)*text) || *end || permissions > 0777)
		usage_error(&add_command, "invalid permissions: %s (example: 0660)", text);
	return permissions;
}

static void set_name(struct lastline_add *add, const char *name)
{
	const char *error = channel_name_error(name);

	if (error)
		usage_error(&add_command, "%s: %s", name, error);
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
			usage_error(&add_command, "invalid line length: %s (%d to %d bytes)",
				    optarg, LASTLINE_LINE_MAX_MIN, LASTLINE_LINE_MAX_MAX);
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

/* Parses the arguments. --from is allowed if @from is not NULL. */
static struct lastline_add parse_arguments(int argc, char **argv, const char **from)
{
	struct lastline_add add = new_channel_defaults();
	int option;

	optind = 0;	/* reset getopt_long() */
	while ((option = next_option(&add_command, argc, argv)) >= 0) {
		if (option != 'f')
			set_option(&add, option);
		else if (from)
			*from = optarg;
		else
			usage_error(&add_command, "--from is not allowed in a file");
	}
	if (optind + 1 < argc)
		usage_error(&add_command, "only one name is allowed: %s", argv[optind + 1]);
	if (optind < argc)
		set_name(&add, argv[optind]);
	return add;
}

/*
 * Waits until udev has created /dev/lastline/NAME: a shell that redirects output there
 * earlier would create a regular file. There is a timeout because the udev rule may not be
 * installed.
 */
static void wait_for_link(const char *name)
{
	char path[sizeof("/dev/lastline/") + LASTLINE_NAME_MAX];
	int ms;

	if (!*name || access("/run/udev/control", F_OK))
		return;
	snprintf(path, sizeof(path), "/dev/lastline/%s", name);
	for (ms = 0; ms < LINK_TIMEOUT_MS && access(path, F_OK); ms += 10)
		usleep(10000);
}

/* Prints the result of lastline_add(); returns the exit status. */
static int print_result(const struct lastline_add *add, int number)
{
	const char *which = *add->name ? add->name : "new channel";

	switch (number) {
	case -EEXIST:
		warn("%s: name or number already in use; see: lastline list", which);
		return STATUS_FAILED;
	case -EINVAL:
		warn("%s: invalid argument: owner and group must exist outside of this container",
		     which);
		return STATUS_FAILED;
	case -ENOSPC:
		warn("%s: no free number: there are already %d channels", which,
		     LASTLINE_CHANNELS_MAX);
		return STATUS_FAILED;
	}
	if (number < 0)
		return control_error(which, number);
	wait_for_link(add->name);
	printf("/dev/lastline%d\n", number);
	return STATUS_OK;
}

/**
 * struct plan - the channels of all configuration files
 * @steps: the channels, each with the file and line that it comes from
 * @count: number of @steps
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
	char *argv[WORDS_MAX + 1] = { (char *)add_command.name }, *word, *rest = line;
	struct step *step;
	int argc = 1;

	line[strcspn(line, "#\n")] = '\0';
	while ((word = strtok_r(rest, " \t\r", &rest))) {
		if (argc == WORDS_MAX)
			usage_error(&add_command, "too many words in a line");
		argv[argc++] = word;
	}
	if (argc == 1)
		return;
	plan->steps = reallocarray(plan->steps, plan->count + 1, sizeof(*plan->steps));
	if (!plan->steps)
		die("out of memory");
	step = &plan->steps[plan->count++];
	*step = (struct step){ strdup(file), number, parse_arguments(argc, argv, NULL) };
	if (!*step->add.name)
		usage_error(&add_command, "a channel in a file must have a name");
}

static void plan_file(struct plan *plan, const char *path)
{
	unsigned int number = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		die("cannot read %s: %s", path, strerror(errno));
	while ((len = getline(&line, &size, file)) > 0) {
		set_error_location(path, ++number);
		if (strlen(line) < (size_t)len)
			usage_error(&add_command, "the line contains a NUL byte");
		plan_line(plan, path, number, line);
	}
	set_error_location(NULL, 0);
	if (ferror(file) || !feof(file))
		die("cannot read %s: %s", path, strerror(errno));
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
		die("cannot read %s: %s", path, strerror(errno));
	for (i = 0; i < count; i++) {
		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
			die("out of memory");
		plan_file(plan, file);
		free(file);
		free(entries[i]);
	}
	free(entries);
}

/* An existing channel is not changed and not an error, so files can be read again. */
static int add_step(const struct step *step)
{
	int number;

	set_error_location(step->file, step->line);
	number = lastline_add(&step->add);
	/* An error if only the number is in use. */
	if (number == -EEXIST && lastline_find(step->add.name) >= 0) {
		warn("%s: already exists; left unchanged", step->add.name);
		return STATUS_OK;
	}
	return print_result(&step->add, number);
}

/* Reads all files first, so that nothing is added if one has an error. */
static int add_from(const char *path)
{
	int status = STATUS_OK, ret;
	struct plan plan = {};
	struct stat st;
	size_t i;

	if (stat(path, &st))
		die("cannot read %s: %s", path, strerror(errno));
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

	add = parse_arguments(argc, argv, &from);
	if (!from)
		return print_result(&add, lastline_add(&add));
	if (argc > 3 || *add.name)
		usage_error(&add_command, "--from allows no other arguments");
	return add_from(from);
}

static const struct command_option options[] = {
	{ 'n', "number", "N", "use /dev/lastlineN (default: the lowest free number)" },
	{ 'l', "line-max", "BYTES", "limit lines to BYTES, 64 to 1048576" },
	{ 'r', "record", NULL, "publish each write as one record, whatever it contains" },
	{ 'o', "owner", "USER", "set the owner of the device node (default: root)" },
	{ 'g', "group", "GROUP", "set its group (default: lastline, if it exists)" },
	{ 'p', "permissions", "MODE", "set its permissions (default: 0660)" },
	{ 'f', "from", "PATH", "add the channels of a file with lines\n"
			       "\"NAME [OPTION]...\", or of all *.conf in a directory;\n"
			       "see lastline.d(5)" },
	{},
};

const struct command add_command = {
	.name = "add",
	.run = run_add,
	.about = "add a channel (root)",
	.usage = "[OPTION]... [NAME]\n"
		 "       lastline add --from FILE|DIRECTORY\n"
		 "Add a channel and print the path of its device node.\n",
	.options = options,
};
