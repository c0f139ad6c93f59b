// io_uring: a box that cannot see into it refuses it.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
	struct io_uring_params p = {0};
	int fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	printf("io_uring_setup: %s\n", fd < 0 ? strerror(errno) : "a descriptor");
	return 0;
}
