// Events of inotify, and the cookie that ties the two halves of a rename.
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	int in = inotify_init1(0);
	int w = inotify_add_watch(in, ".", IN_CREATE | IN_DELETE | IN_MOVE | IN_CLOSE_WRITE);
	for (int child = 0; child < 2; child++)
		if (fork() == 0) {
			for (int i = 0; i < 4; i++) {
				char a[20], b[20];
				snprintf(a, sizeof a, "a-%d-%d", child, i);
				snprintf(b, sizeof b, "b-%d-%d", child, i);
				close(open(a, O_WRONLY | O_CREAT, 0644));
				rename(a, b);
				unlink(b);
			}
			return 0;
		}
	char buffer[4096] __attribute__((aligned(8)));
	int events = 0;
	while (events < 40) {
		ssize_t n = read(in, buffer, sizeof buffer);
		printf("read %zd\n", n);
		for (char *p = buffer; p < buffer + n; events++) {
			struct inotify_event *e = (struct inotify_event *)p;
			printf("watch %d: %x %s cookie %u\n", e->wd - w, e->mask, e->name, e->cookie);
			p += sizeof *e + e->len;
		}
	}
	return 0;
}
