/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pages of a file whose file system takes its time: who touches one sleeps until
 * fuse_bring(). The file is all that there is of the file system, its root; so the
 * protocol, of linux/fuse.h, comes down to four answers.
 */
#ifndef FUSE_PAGE_H
#define FUSE_PAGE_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fuse.h>

#define FUSE_PAGE_SIZE	4096
#define FUSE_PAGES_MAX	64
#define FUSE_PATH	"/tmp/fuse_page"

static struct {
	int device;
	int file;
	pthread_t server;
	char *pages;
	const char * const *texts;
	unsigned int count;
	struct {
		__u64 request;
		__u64 page;
	} waiting[FUSE_PAGES_MAX];
	atomic_uint waiters;
} fuse_page;

static inline void fuse_answer(__u64 request, int error, const void *data, size_t len)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + len,
		.error = -error,
		.unique = request,
	};
	const struct iovec parts[] = { { &head, sizeof(head) }, { (void *)data, len } };

	if (writev(fuse_page.device, parts, 2) < 0)
		perror("answer to FUSE");
}

static inline void fuse_tell_size(__u64 request)
{
	const struct fuse_attr_out out = {
		.attr_valid = 3600,
		.attr = {
			.ino = FUSE_ROOT_ID,
			.size = (__u64)fuse_page.count * FUSE_PAGE_SIZE,
			.mode = S_IFREG | 0600,
			.nlink = 1,
			.blksize = FUSE_PAGE_SIZE,
		},
	};

	fuse_answer(request, 0, &out, sizeof(out));
}

static inline void fuse_serve(const struct fuse_in_header *in)
{
	/* Not more than one page is read at a time. */
	static const struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_write = FUSE_PAGE_SIZE,
	};
	static const struct fuse_open_out opened;
	const struct fuse_read_in *read_in = (const void *)(in + 1);
	unsigned int n = fuse_page.waiters;

	switch (in->opcode) {
	case FUSE_INIT:
		fuse_answer(in->unique, 0, &init, sizeof(init));
		break;
	case FUSE_GETATTR:
		fuse_tell_size(in->unique);
		break;
	case FUSE_OPEN:
		fuse_answer(in->unique, 0, &opened, sizeof(opened));
		break;
	case FUSE_READ:
		fuse_page.waiting[n].request = in->unique;
		fuse_page.waiting[n].page = read_in->offset / FUSE_PAGE_SIZE;
		fuse_page.waiters++;
		break;
	case FUSE_FORGET:
	case FUSE_INTERRUPT:
		break;
	default:
		fuse_answer(in->unique, ENOSYS, NULL, 0);
	}
}

/* Until the file system is unmounted. */
static inline void *fuse_serve_all(void *unused)
{
	static char request[FUSE_MIN_READ_BUFFER + FUSE_PAGE_SIZE];

	while (read(fuse_page.device, request, sizeof(request)) > 0)
		fuse_serve((const void *)request);
	return unused;
}

static inline bool fuse_mount(void)
{
	char options[80];

	close(open(FUSE_PATH, O_CREAT | O_CLOEXEC, 0600));
	fuse_page.device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=100600,user_id=0,group_id=0",
		 fuse_page.device);
	if (fuse_page.device >= 0 && !mount("fuse_page", FUSE_PATH, "fuse", 0, options))
		return true;
	close(fuse_page.device);
	unlink(FUSE_PATH);
	return false;
}

/* Returns @count pages, which will hold @texts, or NULL if there is no FUSE. */
static inline char *fuse_open(const char * const *texts, unsigned int count)
{
	struct stat st;

	if (!fuse_mount())
		return NULL;
	fuse_page.texts = texts;
	fuse_page.count = count;
	fuse_page.waiters = 0;
	pthread_create(&fuse_page.server, NULL, fuse_serve_all, NULL);
	fuse_page.file = open(FUSE_PATH, O_RDWR | O_CLOEXEC);
	/* So that the kernel knows its size. */
	fstat(fuse_page.file, &st);
	fuse_page.pages = mmap(NULL, count * FUSE_PAGE_SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE, fuse_page.file, 0);
	return fuse_page.pages;
}

static inline unsigned int fuse_waiting(void)
{
	return fuse_page.waiters;
}

static inline void fuse_bring(void)
{
	char page[FUSE_PAGE_SIZE];
	unsigned int i;

	for (i = 0; i < fuse_page.waiters; i++) {
		memset(page, 0, sizeof(page));
		strcpy(page, fuse_page.texts[fuse_page.waiting[i].page]);
		fuse_answer(fuse_page.waiting[i].request, 0, page, sizeof(page));
	}
}

static inline void fuse_close(void)
{
	munmap(fuse_page.pages, fuse_page.count * FUSE_PAGE_SIZE);
	close(fuse_page.file);
	umount(FUSE_PATH);
	pthread_join(fuse_page.server, NULL);
	close(fuse_page.device);
	unlink(FUSE_PATH);
}

#endif /* FUSE_PAGE_H */
