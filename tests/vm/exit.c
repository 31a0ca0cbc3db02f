// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends the virtual machine by QEMU's isa-debug-exit: its exit status becomes
 * 2 * 16 + 1. A panic and a poweroff end with 0, so neither looks like this.
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
