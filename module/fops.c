// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file operations of /dev/lastlineN, except reading, writing and ioctls.
 */
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>

#include "file.h"

static int lastline_fsync(struct file *filp, loff_t start, loff_t end, int datasync)
{
	return lastline_file_finish_line(filp->private_data);
}

/* Would a read return data? */
static bool is_readable(struct lastline_file *file)
{
	struct lastline_line line;
	bool readable = true;

	spin_lock(&file->lock);
	if (!file_rest_left(file)) {
		line = lastline_ring_snapshot(file->map);
		/* A cleared line is not readable. If it was overwritten, there is a newer one. */
		readable = file_has_unseen(file, line.generation) &&
			   (line.length || !lastline_ring_still_valid(&line));
	}
	spin_unlock(&file->lock);
	return readable;
}

static __poll_t lastline_poll(struct file *filp, poll_table *wait)
{
	struct lastline_file *file = filp->private_data;
	__poll_t events = EPOLLOUT | EPOLLWRNORM;

	WRITE_ONCE(file->waited, true);
	poll_wait(filp, &file->channel->wait, wait);
	/*
	 * (F) Full barrier between joining the queue and checking the generation; see
	 * lastline_channel_wake_readers().
	 */
	smp_mb();
	if (file_is_removed(file))
		return EPOLLHUP | EPOLLERR;
	if (filp->f_mode & FMODE_READ && is_readable(file))
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

static int lastline_fasync(int fd, struct file *filp, int on)
{
	struct lastline_file *file = filp->private_data;
	int ret;

	ret = fasync_helper(fd, filp, on, &file->channel->fasync);
	/* (F) orders this before the process's next read; see lastline_channel_wake(). */
	smp_mb();
	return ret;
}

/* Wakes the threads that wait for @file. Other files have nothing new to read. */
static void wake_waiters(struct lastline_file *file)
{
	/* (E) between rewinding and the check for waiters; pairs with (F). */
	smp_mb();
	if (READ_ONCE(file->waited))
		lastline_channel_wake_queue(file->channel);
}

static loff_t lastline_llseek(struct file *filp, loff_t offset, int whence)
{
	struct lastline_file *file = filp->private_data;

	if (file_is_removed(file))
		return -ENODEV;
	/*
	 * Tools that get ESPIPE treat the file as a stream, which it is. Append mode seeks to the
	 * end, and Python expects that SEEK_CUR then works as well.
	 */
	if (whence == SEEK_CUR || !(filp->f_mode & FMODE_READ))
		return -ESPIPE;
	if (offset || (whence != SEEK_SET && whence != SEEK_END))
		return -EINVAL;

	spin_lock(&file->lock);
	WRITE_ONCE(file->rest.left, 0);
	if (whence == SEEK_END)
		file_skip_to(file, lastline_ring_generation(file->map));
	else
		file_rewind(file);
	spin_unlock(&file->lock);

	if (whence == SEEK_SET)
		wake_waiters(file);
	return 0;
}

/*
 * The mapping holds a reference to the file, and so to the channel and the module. It is
 * read-only for ever: without VM_MAYWRITE and VM_MAYEXEC, mprotect() cannot add these rights.
 */
static int lastline_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct lastline_file *file = filp->private_data;
	struct lastline_ring *ring = &file->channel->ring;

	if (file_is_removed(file))
		return -ENODEV;
	/* Without 64-bit atomics a mapped reader could see half of a generation. */
	if (IS_ENABLED(CONFIG_GENERIC_ATOMIC64))
		return -ENODEV;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EPERM;
	/* Not VM_SHARED: mmap() clears it if the file is not open for writing. */
	if (!(vma->vm_flags & VM_MAYSHARE) || vma->vm_pgoff ||
	    vma->vm_end - vma->vm_start > lastline_ring_map_size(ring))
		return -EINVAL;

	compat_vm_flags_clear(vma, VM_MAYWRITE | VM_MAYEXEC);
	return remap_vmalloc_range(vma, ring->map, 0);
}

static void lastline_show_fdinfo(struct seq_file *seq, struct file *filp)
{
	struct lastline_file *file = filp->private_data;
	u64 taken, missed;
	u32 partial;

	spin_lock(&file->lock);
	taken = file->taken.generation;
	missed = file->taken.missed;
	partial = file->splitter.len;
	spin_unlock(&file->lock);

	seq_printf(seq, "lastline-generation:\t%llu\n", lastline_ring_generation(file->map));
	seq_printf(seq, "lastline-taken:\t%llu\n", taken);
	seq_printf(seq, "lastline-missed:\t%llu\n", missed);
	seq_printf(seq, "lastline-unfinished:\t%u\n", partial);
}

static int lastline_open(struct inode *inode, struct file *filp)
{
	struct lastline_channel *channel = container_of(inode->i_cdev,
							struct lastline_channel, cdev);
	struct lastline_file *file;
	int ret;

	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	ret = lastline_channel_open(channel, filp->f_mode);
	if (ret) {
		kfree(file);
		return ret;
	}
	file->channel = channel;
	file->map = channel->ring.map;
	file->memcg = get_mem_cgroup_from_mm(current->mm);
	spin_lock_init(&file->lock);
	file->seen_gen = lastline_ring_generation(file->map);
	file_rewind(file);
	filp->private_data = file;

	/*
	 * A stream has no lock of the file position, which a sleeping read would hold against
	 * other threads. lseek() is supported all the same.
	 */
	stream_open(inode, filp);
	filp->f_mode |= FMODE_LSEEK | FMODE_NOWAIT;
	return 0;
}

/*
 * Is the process exiting because of a signal? PF_SIGNALED is also set in threads that
 * another thread's normal exit ends.
 */
static bool is_killed(void)
{
	return current->flags & PF_EXITING && current->exit_code & 0x7f;
}

/*
 * Called when a descriptor is closed, also at process exit. If a signal killed the process
 * that wrote the end of the partial line, the line is dropped: neither half a line nor two
 * processes' bytes in one line should be published. Not called if an io_uring or a message in
 * a socket held the last reference.
 */
static int lastline_flush(struct file *filp, fl_owner_t id)
{
	struct lastline_file *file = filp->private_data;

	if (!is_killed())
		return 0;
	spin_lock(&file->lock);
	if (file->partial_owner == task_tgid(current))
		WRITE_ONCE(file->splitter.len, 0);
	spin_unlock(&file->lock);
	return 0;
}

static int lastline_release(struct inode *inode, struct file *filp)
{
	struct lastline_file *file = filp->private_data;

	/* A partial line without room for a newline is lost: release() cannot report errors. */
	lastline_file_finish_line(file);
	put_pid(file->partial_owner);
	lastline_channel_close(file->channel, filp->f_mode);
	mem_cgroup_put(file->memcg);
	kvfree(file->rest.buf);
	kvfree(file->splitter.buf);
	kfree(file);
	return 0;
}

/*
 * The operations that both modes share. Without splice_read(), splice() and sendfile() from a
 * channel fail: a splice that sleeps for a line would keep its pipe locked.
 */
#define LASTLINE_FOPS						\
	.owner = THIS_MODULE,					\
	.open = lastline_open,					\
	.flush = lastline_flush,				\
	.release = lastline_release,				\
	.read = lastline_read,					\
	.read_iter = lastline_read_iter,			\
	.poll = lastline_poll,					\
	.mmap = lastline_mmap,					\
	.llseek = lastline_llseek,				\
	.fsync = lastline_fsync,				\
	.fasync = lastline_fasync,				\
	.show_fdinfo = lastline_show_fdinfo,			\
	.unlocked_ioctl = lastline_ioctl,			\
	.compat_ioctl = compat_ptr_ioctl

const struct file_operations lastline_fops[] = {
	[LASTLINE_MODE_LINE] = {
		LASTLINE_FOPS,
		.write = lastline_write,
		.write_iter = lastline_write_iter,
		.splice_write = iter_file_splice_write,
	},
	/* No splice_write(): two writes to a pipe can share a buffer and would be one record. */
	[LASTLINE_MODE_RECORD] = {
		LASTLINE_FOPS,
		.write = lastline_write_record,
		.write_iter = lastline_write_record_iter,
	},
};
