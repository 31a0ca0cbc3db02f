# shellcheck shell=bash disable=SC2034 # used by the scripts that source this
# SPDX-License-Identifier: GPL-2.0-only
#
# How Debian's architectures differ for builds and VMs.

# The board that QEMU has for all of ARM's processors.
arm_board()
{
	hardware=(-M virt -serial chardev:console
		-device "pci-serial-2x,chardev1=terminal,chardev2=verdict")
	lines=(ttyAMA0 ttyS0 ttyS1)
}

# arch NAME: sets
#   arch	NAME
#   cross	what the names of compiler, linker and the like begin with
#   emulator	QEMU's program, and in cpu what it is to be
#   hardware	its options for a machine with three serial lines, for the chardevs console,
#		terminal and verdict
#   lines	what the kernel calls these
#   words	more for the kernel's command line
#   drivers	modules that the kernel needs for the lines
#   ended	the status of QEMU when the machine came to its end
# A panic restarts the machine, for which QEMU ends with 0. Where a guest cannot choose
# another status (tests/vm/exit.c does) the verdict, which is written last, and the console
# tell the difference.
arch()
{
	arch=$1 cpu=max words=() drivers=() ended=0
	case $arch in
	amd64)
		cross=x86_64-linux-gnu-
		emulator="qemu-system-x86_64"
		hardware=(-serial chardev:console -serial chardev:terminal -serial chardev:verdict
			-device "isa-debug-exit,iobase=0xf4,iosize=1")
		lines=(ttyS0 ttyS1 ttyS2)
		# The kernel looks at boot whether its timer ticks, for so many turns of a
		# loop; when the host is busy elsewhere it does not.
		words=(no_timer_check)
		ended=33 ;;
	arm64)
		cross=aarch64-linux-gnu-
		emulator="qemu-system-aarch64"
		# The real algorithm of pointer authentication is slow to emulate.
		cpu=max,pauth-impdef=on
		arm_board ;;
	armhf)
		cross=arm-linux-gnueabihf-
		emulator="qemu-system-arm"
		arm_board ;;
	s390x)
		cross=s390x-linux-gnu-
		emulator="qemu-system-s390x"
		hardware=(-device "sclpconsole,chardev=console" -device virtio-serial
			-device "virtconsole,chardev=terminal" -device "virtconsole,chardev=verdict")
		lines=(ttysclp0 hvc0 hvc1)
		drivers=(virtio_console) ;;
	*)
		echo "no architecture '$arch', but amd64 arm64 armhf s390x" >&2
		return 1 ;;
	esac
}
