#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The tests of the library under valgrind: an error or a leak fails the test it is in.
# Wants root, the module, lib_test_shared beside it, and liblastline.so installed.
#
# valgrind knows none of the driver's ioctls, takes their sizes and directions from their
# numbers, and would warn of CLEAR, which has none. What is still reachable at the end is
# what a process that a test kills or lets go has open.
exec valgrind --quiet --error-exitcode=99 --leak-check=full --sim-hints=lax-ioctls \
	"$(dirname "$0")/lib_test_shared"
