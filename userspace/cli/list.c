// SPDX-License-Identifier: GPL-2.0-only
/* lastline list and lastline info: print the state of all channels, or of one. */
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli.h"
#include "open_files.h"

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

static void print_status(int number, const struct lastline_status *status)
{
	char age[AGE_TEXT];

	printf("%7d  %-20s %-6s %14llu %9s %7u %7u %8u\n", number,
	       *status->name ? status->name : "-", mode_text(status->mode),
	       (unsigned long long)status->generation,
	       format_age(age, sizeof(age), status->monotonic_ns), status->readers,
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
		/* The channel may have been removed. */
		if (lastline_status(numbers[i], &status))
			continue;
		if (as_json)
			json_array_append_new(array, status_json(numbers[i], &status));
		else
			print_status(numbers[i], &status);
	}
	if (as_json)
		print_json(array);
}

static int list(int argc, char **argv)
{
	bool as_json = only_json_option(&list_command, argc, argv);
	int *numbers, count;

	if (optind < argc)
		usage_error(&list_command, "unexpected argument: %s; try: lastline info %s",
			    argv[optind], argv[optind]);
	count = lastline_list(&numbers);
	if (count < 0)
		return channel_error("/sys/class/lastline", count);
	print_list(numbers, count, as_json);
	free(numbers);
	return STATUS_OK;
}

static const struct command_option options[] = {
	{ 'j', "json", NULL, "print JSON" },
	{},
};

const struct command list_command = {
	.name = "list",
	.run = list,
	.about = "list all channels",
	.usage = "[OPTION]\n"
		 "Print a table of all channels. This needs no permission.\n",
	.options = options,
};

static void print_permissions(const struct stat *st)
{
	const struct passwd *user = getpwuid(st->st_uid);
	const struct group *group = getgrgid(st->st_gid);

	printf("permissions  %04o", st->st_mode & 07777);
	user ? printf(" %s", user->pw_name) : printf(" %u", st->st_uid);
	group ? printf(" %s\n", group->gr_name) : printf(" %u\n", st->st_gid);
}

static void print_file(const struct open_file *file)
{
	printf("  %7d  %-16s", file->pid, file->program);
	if (file->reads && file->taken)
		printf("  reads, %llu behind, %llu missed",
		       (unsigned long long)(file->generation - file->taken),
		       (unsigned long long)file->missed);
	else if (file->reads)
		printf("  reads, no line read yet");
	if (file->writes)
		printf("  writes");
	if (file->partial)
		printf(", partial line of %u bytes", file->partial);
	putchar('\n');
}

static void print_info(int number, const struct lastline_status *status, const struct stat *st)
{
	char age[AGE_TEXT], path[32];
	struct open_file *files;
	size_t count, i;

	node_path(path, sizeof(path), number);
	printf("channel      %s\n", path);
	printf("name         %s\n", *status->name ? status->name : "-");
	printf("mode         %s\n", mode_text(status->mode));
	print_permissions(st);
	printf("line_max     %u bytes, including the newline\n", status->line_max);
	printf("generation   %llu\n", (unsigned long long)status->generation);
	printf("age          %s\n", format_age(age, sizeof(age), status->monotonic_ns));
	printf("readers      %u\n", status->readers);
	printf("writers      %u\n", status->writers);

	count = find_open_files(&files);
	for (i = 0; i < count; i++) {
		if (files[i].number == number)
			print_file(&files[i]);
	}
	free(files);
}

static json_t *file_json(const struct open_file *file)
{
	return json_pack("{s:i, s:i, s:s, s:b, s:b, s:I, s:I, s:i}", "pid", (int)file->pid,
			 "fd", file->fd, "program", file->program, "reads", file->reads,
			 "writes", file->writes, "taken", (json_int_t)file->taken,
			 "missed", (json_int_t)file->missed, "unfinished", (int)file->partial);
}

static json_t *files_json(int number)
{
	json_t *array = json_array();
	struct open_file *files;
	size_t count, i;

	count = find_open_files(&files);
	for (i = 0; i < count; i++) {
		if (files[i].number == number)
			json_array_append_new(array, file_json(&files[i]));
	}
	free(files);
	return array;
}

static int info(int argc, char **argv)
{
	bool as_json = only_json_option(&info_command, argc, argv);
	struct lastline_status status;
	const char *which;
	char path[32];
	struct stat st;
	json_t *json;
	int number, ret;

	which = channel_argument(&info_command, argc, argv);
	number = lastline_find(which);
	if (number < 0)
		return channel_error(which, number);
	node_path(path, sizeof(path), number);
	ret = lastline_status(number, &status);
	if (!ret && stat(path, &st))
		ret = -errno;
	if (ret)
		return channel_error(which, ret);
	if (!as_json) {
		print_info(number, &status, &st);
		return STATUS_OK;
	}
	json = status_json(number, &status);
	json_object_set_new(json, "uid", json_integer(st.st_uid));
	json_object_set_new(json, "gid", json_integer(st.st_gid));
	json_object_set_new(json, "permissions", json_integer(st.st_mode & 07777));
	json_object_set_new(json, "holders", files_json(number));
	print_json(json);
	return STATUS_OK;
}

const struct command info_command = {
	.name = "info",
	.run = info,
	.about = "print details of a channel, and which processes have it open",
	.usage = "[OPTION] CHANNEL\n"
		 "Print the state of a channel, without opening it, and the processes that have\n"
		 "it open: how many lines a reader is behind the newest one, how many it has\n"
		 "missed, and the length of the partial line. Only root sees processes of other\n"
		 "users.\n",
	.options = options,
};
