/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Loads and unloads the module under test. The environment variable LASTLINE_KO is its
 * path, /vm/lastline.ko by default, which is where the VM has it.
 */
#ifndef LASTLINE_MODULE_H
#define LASTLINE_MODULE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fault_inject.h"

#define MODULE_PARAMETERS_SIZE	128

static inline int open_module(void)
{
	const char *path = getenv("LASTLINE_KO");

	return open(path ? path : "/vm/lastline.ko", O_RDONLY | O_CLOEXEC);
}

/* Like insmod(8); @ko comes from open_module(). */
static inline int load(int ko, const char *parameters)
{
	return syscall(SYS_finit_module, ko, parameters, 0);
}

/* Like rmmod(8). Fails with EAGAIN while anything is open. */
static inline int unload(void)
{
	return syscall(SYS_delete_module, "lastline", O_NONBLOCK);
}

static inline unsigned int module_parameter(const char *name, int base)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "/sys/module/lastline/parameters/%s", name);
	read_file(path, text, sizeof(text));
	return strtoul(text, NULL, base);
}

/* Saves the current parameters, to load the module with them again. */
static inline void save_module_parameters(char parameters[MODULE_PARAMETERS_SIZE])
{
	snprintf(parameters, MODULE_PARAMETERS_SIZE, "devices=%u line_max=%u mode=%o",
		 module_parameter("devices", 10), module_parameter("line_max", 10),
		 module_parameter("mode", 8));
}

#endif /* LASTLINE_MODULE_H */
