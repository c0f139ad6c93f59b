// A POSIX message queue: priorities, several receivers, a limit of time.
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void) {
	struct mq_attr a = {.mq_maxmsg = 4, .mq_msgsize = 64};
	mqd_t q = mq_open("/coo-zoo", O_RDWR | O_CREAT, 0600, &a);
	mq_unlink("/coo-zoo");
	if (q < 0) {
		printf("refused\n");
		return 0;
	}
	for (int p = 0; p < 4; p++)
		if (fork() == 0) {
			char b[64];
			unsigned priority;
			for (int i = 0; i < 10; i++)
				if (p < 2) mq_send(q, b, snprintf(b, sizeof b, "%d from %d", i, p), i % 3);
				else {
					ssize_t n = mq_receive(q, b, sizeof b, &priority);
					dprintf(1, "%d got %.*s, priority %u\n", p, (int)n, b, priority);
				}
			return 0;
		}
	while (wait(NULL) > 0) {}
	char b[64];
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec++;
	ssize_t n = mq_timedreceive(q, b, sizeof b, NULL, &t);
	dprintf(1, "timed out %d\n", n < 0 && errno == ETIMEDOUT);
	return 0;
}
