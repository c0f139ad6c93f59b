// Expirations of timerfds, read late and read in time, and through poll.
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int main(void) {
	int fast = timerfd_create(CLOCK_MONOTONIC, 0), slow = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	struct itimerspec f = {{0, 3000000}, {0, 3000000}}, s = {{0, 0}, {0, 25000000}}, left;
	timerfd_settime(fast, 0, &f, NULL);
	timerfd_settime(slow, 0, &s, NULL);
	uint64_t n;
	struct pollfd p[2] = {{fast, POLLIN, 0}, {slow, POLLIN, 0}};
	for (int i = 0; i < 20; i++) {
		poll(p, 2, -1);
		for (int k = 0; k < 2; k++)
			if (p[k].revents & POLLIN && read(p[k].fd, &n, sizeof n) == sizeof n) printf("%s %llu\n", k ? "slow" : "fast", (unsigned long long)n);
		if (i == 5) usleep(17000);
	}
	timerfd_gettime(fast, &left);
	printf("left %lld.%09ld\n", (long long)left.it_value.tv_sec, left.it_value.tv_nsec);
	return 0;
}
