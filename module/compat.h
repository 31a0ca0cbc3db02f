/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The differences between kernel releases. Only this file may depend on the version. Each
 * entry names the release that made the change. Distributions backport some of them;
 * compat.mk looks for those in the headers and defines COMPAT_HAS_*. The others go by
 * version.
 */
#ifndef LASTLINE_COMPAT_H
#define LASTLINE_COMPAT_H

#include <linux/device.h>
#include <linux/export.h>
#include <linux/instrumented.h>
#include <linux/sched.h>
#include <linux/version.h>

/* 5.11 moved ALIGN() to a header of its own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
#include <linux/kernel.h>
#else
#include <linux/align.h>
#endif

/* 6.12 moved the header from asm. */
#ifdef COMPAT_HAS_UNALIGNED_H
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* 5.14 exported what set_active_memcg() needs. This one must not be used in interrupts. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0)
struct mem_cgroup;

static inline struct mem_cgroup *compat_set_active_memcg(struct mem_cgroup *memcg)
{
#ifdef CONFIG_MEMCG
	swap(current->active_memcg, memcg);
#endif
	return memcg;
}
#else
#define compat_set_active_memcg	set_active_memcg
#endif

/* 6.1 split instrument_copy_from_user() in two for KMSAN. */
#ifndef COMPAT_HAS_INSTRUMENT_BEFORE
#define instrument_copy_from_user_before		instrument_copy_from_user
#define instrument_copy_from_user_after(to, from, n, left)	((void)(left))
#endif

/* 6.1 added TASK_FREEZABLE. Before, the freezer woke sleepers with a fake signal. */
#ifndef TASK_FREEZABLE
#define TASK_FREEZABLE		0
#endif

/* 6.3 made the device const for devnode() of a device type. */
#ifdef COMPAT_HAS_DEVNODE_CONST
#define compat_devnode_const	const
#else
#define compat_devnode_const
#endif

/* 6.3 made the device const for uevent() of a device type. */
#ifdef COMPAT_HAS_UEVENT_CONST
#define compat_uevent_const	const
#else
#define compat_uevent_const
#endif

/* 6.3 added functions for vm_flags. */
#ifdef COMPAT_HAS_VM_FLAGS_CLEAR
#define compat_vm_flags_clear(vma, flags)	vm_flags_clear(vma, flags)
#else
#define compat_vm_flags_clear(vma, flags)	((vma)->vm_flags &= ~(flags))
#endif

/* 6.4 removed the owner from class_create(). */
#ifdef COMPAT_HAS_CLASS_WITHOUT_OWNER
#define compat_class_create(name)	class_create(name)
#else
#define compat_class_create(name)	class_create(THIS_MODULE, name)
#endif

#endif /* LASTLINE_COMPAT_H */
