/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page that is missing. An access to it sleeps in the page fault until uffd_page_fill().
 */
#ifndef UFFD_PAGE_H
#define UFFD_PAGE_H

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/userfaultfd.h>

struct uffd_page {
	int uffd;
	size_t size;
	char *data;
};

static inline bool uffd_page_init(struct uffd_page *page)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	page->size = sysconf(_SC_PAGESIZE);
	/* poll() needs O_NONBLOCK. */
	page->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (page->uffd < 0)
		return false;
	page->data = mmap(NULL, page->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (unsigned long)page->data;
	reg.range.len = page->size;
	return page->data != MAP_FAILED && !ioctl(page->uffd, UFFDIO_API, &api) &&
	       !ioctl(page->uffd, UFFDIO_REGISTER, &reg);
}

/* Waits until a page fault sleeps. */
static inline bool uffd_page_wait_fault(struct uffd_page *page, int timeout_ms)
{
	struct pollfd pfd = { .fd = page->uffd, .events = POLLIN };
	struct uffd_msg message;

	return poll(&pfd, 1, timeout_ms) == 1 &&
	       read(page->uffd, &message, sizeof(message)) == sizeof(message);
}

static inline bool uffd_page_fill(struct uffd_page *page, const char *text)
{
	char *contents = aligned_alloc(page->size, page->size);
	struct uffdio_copy copy = {
		.dst = (unsigned long)page->data,
		.src = (unsigned long)contents,
		.len = page->size,
	};
	bool filled;

	memset(contents, 0, page->size);
	strcpy(contents, text);
	filled = !ioctl(page->uffd, UFFDIO_COPY, &copy);
	free(contents);
	return filled;
}

static inline void uffd_page_destroy(struct uffd_page *page)
{
	munmap(page->data, page->size);
	close(page->uffd);
}

#endif /* UFFD_PAGE_H */
