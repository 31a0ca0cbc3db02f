// SPDX-License-Identifier: GPL-2.0-only
/*
 * The password for the broker. It is in one buffer of fixed size, which is wiped. stdio and
 * getline() would leave copies in memory that they free.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"
#include "password.h"

#define BUFFER_SIZE	(UINT16_MAX + 2)	/* the longest password of MQTT, a newline, a NUL */

/* Cuts @text, which has @size bytes, after its first line. */
static const char *cut_line(char *text, size_t size)
{
	size_t len;

	text[size] = '\0';
	len = strcspn(text, "\r\n");
	if (len > UINT16_MAX)
		return "the first line is longer than 65535 bytes";
	if (len < size && !text[len])
		return "the first line contains a NUL byte";
	if (!len)
		return "the first line is empty";
	text[len] = '\0';
	return NULL;
}

static const char *read_line(int fd, char *text)
{
	struct stat st;
	size_t size = 0;
	ssize_t len;

	if (fstat(fd, &st))
		return strerror(errno);
	/* The file is read for each connection, and a pipe only once. */
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? strerror(EISDIR) : "not a regular file";
	do {
		len = read(fd, text + size, BUFFER_SIZE - 1 - size);
		if (len < 0)
			return strerror(errno);
		size += len;
	} while (len);
	return cut_line(text, size);
}

/**
 * password_read - read the first line of a file
 * @name:     the file
 * @password: result; the caller frees it with password_free()
 *
 * Return: NULL, or the reason why there is no password.
 */
const char *password_read(const char *name, char **password)
{
	/* O_NONBLOCK, because opening a named pipe would wait for a writer. */
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	const char *why;

	if (fd < 0)
		return strerror(errno);
	*password = malloc(BUFFER_SIZE);
	if (!*password)
		die("out of memory");
	why = read_line(fd, *password);
	close(fd);
	if (why)
		password_free(*password);
	return why;
}

/**
 * password_free - wipe and free a password
 * @password: the password
 */
void password_free(char *password)
{
	explicit_bzero(password, BUFFER_SIZE);
	free(password);
}
