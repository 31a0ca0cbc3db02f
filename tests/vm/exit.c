// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stops the virtual machine through QEMU's isa-debug-exit, with the exit status
 * 2 * 16 + 1. After a panic or a poweroff QEMU exits with 0 instead.
 */
#include <stdio.h>
#include <sys/io.h>

#define PORT	0xf4
#define EXIT_VALUE	16

int main(void)
{
	if (ioperm(PORT, 1, 1)) {
		perror("exit: ioperm");
		return 1;
	}
	outb(EXIT_VALUE, PORT);
	return 0;
}
