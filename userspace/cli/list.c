// SPDX-License-Identifier: GPL-2.0-only
/* lastline list and lastline info: what channels there are, and what they are like. */
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli.h"
#include "holders.h"

static const char *mode_text(uint32_t mode)
{
	return mode == LASTLINE_MODE_RECORD ? "record" : "line";
}

static void node_path(char *path, size_t size, int number)
{
	snprintf(path, size, "/dev/lastline%d", number);
}

static json_t *status_json(int number, const struct lastline_status *status)
{
	char path[32];

	node_path(path, sizeof(path), number);
	return json_pack("{s:i, s:s, s:o, s:s, s:I, s:i, s:i, s:i, s:I}", "number", number,
			 "path", path,
			 "name", *status->name ? json_string(status->name) : json_null(),
			 "mode", mode_text(status->mode),
			 "generation", (json_int_t)status->generation,
			 "line_max", (int)status->line_max, "readers", (int)status->readers,
			 "writers", (int)status->writers,
			 "monotonic_ns", (json_int_t)status->monotonic_ns);
}

static void print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(json);
}

static void print_row(int number, const struct lastline_status *status)
{
	char age[AGE_TEXT];

	printf("%7d  %-20s %-6s %14llu %9s %7u %7u %8u\n", number,
	       *status->name ? status->name : "-", mode_text(status->mode),
	       (unsigned long long)status->generation,
	       age_text(age, sizeof(age), status->monotonic_ns), status->readers,
	       status->writers, status->line_max);
}

static void print_list(const int *numbers, int count, bool as_json)
{
	struct lastline_status status;
	json_t *array = as_json ? json_array() : NULL;
	int i;

	if (!as_json)
		printf("%7s  %-20s %-6s %14s %9s %7s %7s %8s\n", "channel", "name", "mode",
		       "generation", "age", "readers", "writers", "line max");
	for (i = 0; i < count; i++) {
		/* It may have been removed meanwhile. */
		if (lastline_status(numbers[i], &status))
			continue;
		if (as_json)
			json_array_append_new(array, status_json(numbers[i], &status));
		else
			print_row(numbers[i], &status);
	}
	if (as_json)
		print_json(array);
}

static int list(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, {} };
	bool as_json = false;
	int *numbers, count;

	while (next_option(&list_command, argc, argv, options) == 'j')
		as_json = true;
	if (optind < argc)
		usage_error(&list_command, "it lists all channels; see: lastline info %s",
			    argv[optind]);
	count = lastline_list(&numbers);
	if (count < 0)
		return explain("list", count);
	print_list(numbers, count, as_json);
	free(numbers);
	return STATUS_OK;
}

const struct command list_command = {
	.name = "list",
	.run = list,
	.about = "all channels",
	.usage = "[--json]\n"
		 "A row for each channel. Needs no permission.\n\n"
		 "  -j, --json  for programs\n",
};

/* Owner, group and permissions, as ls has them. */
static void print_node(const struct stat *st)
{
	const struct passwd *user = getpwuid(st->st_uid);
	const struct group *group = getgrgid(st->st_gid);

	printf("permissions  %04o", st->st_mode & 07777);
	user ? printf(" %s", user->pw_name) : printf(" %u", st->st_uid);
	group ? printf(" %s\n", group->gr_name) : printf(" %u\n", st->st_gid);
}

static void print_holder(const struct holder *holder)
{
	printf("  %7d  %-16s", holder->pid, holder->program);
	if (holder->reads && holder->taken)
		printf("  reads, %llu behind, %llu missed",
		       (unsigned long long)(holder->generation - holder->taken),
		       (unsigned long long)holder->missed);
	else if (holder->reads)
		printf("  reads, took nothing yet");
	if (holder->writes)
		printf("  writes");
	if (holder->unfinished)
		printf(", %u bytes of an unfinished line", holder->unfinished);
	putchar('\n');
}

static void print_info(int number, const struct lastline_status *status, const struct stat *st)
{
	char age[AGE_TEXT], path[32];
	struct holder *holders;
	size_t count, i;

	node_path(path, sizeof(path), number);
	printf("channel      %s\n", path);
	printf("name         %s\n", *status->name ? status->name : "-");
	printf("mode         %s\n", mode_text(status->mode));
	print_node(st);
	printf("line_max     %u bytes, the newline included\n", status->line_max);
	printf("generation   %llu\n", (unsigned long long)status->generation);
	printf("age          %s\n", age_text(age, sizeof(age), status->monotonic_ns));
	printf("readers      %u\n", status->readers);
	printf("writers      %u\n", status->writers);

	count = find_holders(&holders);
	for (i = 0; i < count; i++) {
		if (holders[i].number == number)
			print_holder(&holders[i]);
	}
	free(holders);
}

static json_t *holder_json(const struct holder *holder)
{
	return json_pack("{s:i, s:i, s:s, s:b, s:b, s:I, s:I, s:i}", "pid", (int)holder->pid,
			 "fd", holder->fd, "program", holder->program,
			 "reads", holder->reads, "writes", holder->writes,
			 "taken", (json_int_t)holder->taken, "missed", (json_int_t)holder->missed,
			 "unfinished", (int)holder->unfinished);
}

static json_t *holders_json(int number)
{
	json_t *array = json_array();
	struct holder *holders;
	size_t count, i;

	count = find_holders(&holders);
	for (i = 0; i < count; i++) {
		if (holders[i].number == number)
			json_array_append_new(array, holder_json(&holders[i]));
	}
	free(holders);
	return array;
}

static int info(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' }, {} };
	struct lastline_status status;
	bool as_json = false;
	const char *which;
	char path[32];
	struct stat st;
	json_t *json;
	int number, ret;

	while (next_option(&info_command, argc, argv, options) == 'j')
		as_json = true;
	which = only_channel(&info_command, argc, argv);
	number = lastline_find(which);
	if (number < 0)
		return explain(which, number);
	node_path(path, sizeof(path), number);
	ret = lastline_status(number, &status);
	if (!ret && stat(path, &st))
		ret = -errno;
	if (ret)
		return explain(which, ret);
	if (!as_json) {
		print_info(number, &status, &st);
		return STATUS_OK;
	}
	json = status_json(number, &status);
	json_object_set_new(json, "uid", json_integer(st.st_uid));
	json_object_set_new(json, "gid", json_integer(st.st_gid));
	json_object_set_new(json, "permissions", json_integer(st.st_mode & 07777));
	json_object_set_new(json, "holders", holders_json(number));
	print_json(json);
	return STATUS_OK;
}

const struct command info_command = {
	.name = "info",
	.run = info,
	.about = "one channel, and who has it open",
	.usage = "[--json] CHANNEL\n"
		 "All that can be seen of it without opening it, and the processes that have it\n"
		 "open: how far behind they are and how many lines they missed. Processes of\n"
		 "others are seen by root only.\n\n"
		 "  -j, --json  for programs\n",
};
