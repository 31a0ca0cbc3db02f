/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernel releases, and the only place that knows their
 * numbers. Each entry says in which release what changed. Where distributions bring
 * such a change to older releases, compat.mk looks whether the headers have it
 * (COMPAT_HAS_...); where they do not, the version tells.
 */
#ifndef LASTLINE_COMPAT_H
#define LASTLINE_COMPAT_H

#include <linux/device.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/instrumented.h>
#include <linux/sched.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/version.h>

/* 5.11 gave ALIGN() a header of its own. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 11, 0)
#include <linux/kernel.h>
#else
#include <linux/align.h>
#endif

/* 6.12 moved it from asm. */
#ifdef COMPAT_HAS_UNALIGNED_H
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* 5.14 exported what it needs. This one is for processes only, never for interrupts. */
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

/* 6.0 gave iterators over one user buffer a kind of their own. */
#ifndef COMPAT_HAS_USER_BACKED_ITER
#define user_backed_iter	iter_is_iovec
#endif

/* 6.1 split it, so that KMSAN sees what was copied. */
#ifndef COMPAT_HAS_INSTRUMENT_BEFORE
#define instrument_copy_from_user_before		instrument_copy_from_user
#define instrument_copy_from_user_after(to, from, n, left)	((void)(left))
#endif

/* 6.1 lets the freezer pass by who sleeps; before, it woke him by a pretended signal. */
#ifndef TASK_FREEZABLE
#define TASK_FREEZABLE		0
#endif

/* 6.3 made the device constant for devnode() of a type. */
#ifdef COMPAT_HAS_DEVNODE_CONST
#define compat_devnode_const	const
#else
#define compat_devnode_const
#endif

/* And for uevent(). */
#ifdef COMPAT_HAS_UEVENT_CONST
#define compat_uevent_const	const
#else
#define compat_uevent_const
#endif

/* 6.3 gave the flags of an area functions. */
#ifdef COMPAT_HAS_VM_FLAGS_CLEAR
#define compat_vm_flags_clear(vma, flags)	vm_flags_clear(vma, flags)
#else
#define compat_vm_flags_clear(vma, flags)	((vma)->vm_flags &= ~(flags))
#endif

/* 6.4 took the owner away. */
#ifdef COMPAT_HAS_CLASS_WITHOUT_OWNER
#define compat_class_create(name)	class_create(name)
#else
#define compat_class_create(name)	class_create(THIS_MODULE, name)
#endif

/* 6.5 replaced the splice from pages by one that copies. */
#ifndef COMPAT_HAS_COPY_SPLICE_READ
#define copy_splice_read	generic_file_splice_read
#endif

#endif /* LASTLINE_COMPAT_H */
