/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page of memory that is missing: an access sleeps in userfaultfd(2) until bring_page().
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

struct slow_page {
	int uffd;
	size_t size;
	char *page;
};

static inline bool prepare_page(struct slow_page *slow)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	slow->size = sysconf(_SC_PAGESIZE);
	/* poll() needs O_NONBLOCK. */
	slow->uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (slow->uffd < 0)
		return false;
	slow->page = mmap(NULL, slow->size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (unsigned long)slow->page;
	reg.range.len = slow->size;
	return slow->page != MAP_FAILED && !ioctl(slow->uffd, UFFDIO_API, &api) &&
	       !ioctl(slow->uffd, UFFDIO_REGISTER, &reg);
}

/* Waits until an access to the page sleeps. */
static inline bool await_fault(struct slow_page *slow, int patience_ms)
{
	struct pollfd pfd = { .fd = slow->uffd, .events = POLLIN };
	struct uffd_msg message;

	return poll(&pfd, 1, patience_ms) == 1 &&
	       read(slow->uffd, &message, sizeof(message)) == sizeof(message);
}

static inline bool bring_page(struct slow_page *slow, const char *text)
{
	char *contents = aligned_alloc(slow->size, slow->size);
	struct uffdio_copy copy = {
		.dst = (unsigned long)slow->page,
		.src = (unsigned long)contents,
		.len = slow->size,
	};
	bool brought;

	memset(contents, 0, slow->size);
	strcpy(contents, text);
	brought = !ioctl(slow->uffd, UFFDIO_COPY, &copy);
	free(contents);
	return brought;
}

static inline void drop_page(struct slow_page *slow)
{
	munmap(slow->page, slow->size);
	close(slow->uffd);
}

#endif /* UFFD_PAGE_H */
