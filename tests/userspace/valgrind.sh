#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The tests of the library under valgrind: an error or a leak fails the test it is in.
# Wants root, the module, and liblastline.so installed.
#
# usage: valgrind.sh LIB_TEST_SHARED
#
# valgrind knows none of the driver's ioctls, takes their sizes and directions from their
# numbers, and would warn of CLEAR, which has none. What is still reachable at the end is
# what a process that a test kills or lets go has open.
exec valgrind --quiet --error-exitcode=99 --leak-check=full --sim-hints=lax-ioctls "$1"
