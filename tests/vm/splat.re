# SPDX-License-Identifier: GPL-2.0-only
BUG: ([^K]|K[^C])
WARNING:
Oops
Kernel panic
Call Trace:
general protection fault
divide error:
INFO: task .* blocked for more than
INFO: possible recursive locking
INFO: suspicious RCU usage
possible circular locking dependency
inconsistent lock state
possible irq lock inversion
bad unlock balance
held lock freed
lock held when returning to user space
rcu: INFO: .*detected stall
rcu_.* self-detected stall
watchdog: .* lockup
UBSAN:
KASAN:
KCSAN: .*\[lastline\]
KCSAN: .*_copy_(from|to)_(user|iter)
ODEBUG:
refcount_t:
list_(add|del) corruption
usercopy: Kernel memory
sleeping function called from invalid context
scheduling while atomic
