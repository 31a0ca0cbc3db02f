# shellcheck shell=bash disable=SC2034 # used by the scripts that source this
# SPDX-License-Identifier: GPL-2.0-only
#
# Settings for builds and VMs of each architecture.

# The board that arm64 and armhf share.
arm_board()
{
	hardware=(-M virt -serial chardev:console
		-device "pci-serial-2x,chardev1=terminal,chardev2=verdict")
	ttys=(ttyAMA0 ttyS0 ttyS1)
}

# arch NAME: sets
#   arch	NAME
#   cross	prefix of compiler, linker and other tools
#   emulator	QEMU's program
#   cpu		QEMU's CPU model
#   hardware	QEMU's options for three serial ports, for the chardevs console, terminal
#		and verdict
#   ttys	the kernel's names of these ports
#   kernel_args	arguments for the kernel's command line
#   drivers	modules that the kernel needs for the ports
#   success	QEMU's exit status when the job in the VM ran to its end
# QEMU exits with 0 after a panic, which reboots, and after a poweroff. On amd64,
# tests/vm/exit.c sets another status. The others cannot; there, only the verdict, which is
# written last, and the console show that the job ran to its end.
arch()
{
	arch=$1 cpu=max kernel_args=() drivers=() success=0
	case $arch in
	amd64)
		cross=x86_64-linux-gnu-
		emulator="qemu-system-x86_64"
		hardware=(-serial chardev:console -serial chardev:terminal -serial chardev:verdict
			-device "isa-debug-exit,iobase=0xf4,iosize=1")
		ttys=(ttyS0 ttyS1 ttyS2)
		# At boot the kernel checks for a moment whether its timer ticks; on a busy
		# host it may not.
		kernel_args=(no_timer_check)
		success=33 ;;
	arm64)
		cross=aarch64-linux-gnu-
		emulator="qemu-system-aarch64"
		# The architected algorithm of pointer authentication is slow to emulate.
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
		ttys=(ttysclp0 hvc0 hvc1)
		drivers=(virtio_console) ;;
	*)
		echo "unknown architecture '$arch'; use amd64, arm64, armhf or s390x" >&2
		return 1 ;;
	esac
}
