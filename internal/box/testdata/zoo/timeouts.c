// How long poll, ppoll, select, pselect and epoll_wait wait for nothing.
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

static long long last;

static void told(const char *what, int got) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	long long now = t.tv_sec * 1000000000LL + t.tv_nsec;
	if (last) printf("%s: %d after %lld ns\n", what, got, now - last);
	last = now;
}

int main(void) {
	int p[2], e = epoll_create1(0);
	if (pipe(p)) return 1;
	struct pollfd f = {p[0], POLLIN, 0};
	struct epoll_event ev = {.events = EPOLLIN}, out;
	epoll_ctl(e, EPOLL_CTL_ADD, p[0], &ev);
	struct timespec ts = {0, 12345678};
	struct timeval tv = {0, 12345};
	fd_set set;
	told("start", 0);
	told("poll", poll(&f, 1, 13));
	told("poll of nothing", poll(NULL, 0, 7));
	told("ppoll", ppoll(&f, 1, &ts, NULL));
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	int got = select(p[0] + 1, &set, NULL, NULL, &tv);
	told("select", got);
	printf("select leaves %ld.%06ld\n", tv.tv_sec, tv.tv_usec);
	FD_ZERO(&set);
	FD_SET(p[0], &set);
	told("pselect", pselect(p[0] + 1, &set, NULL, NULL, &ts, NULL));
	told("epoll_wait", epoll_wait(e, &out, 1, 11));
	told("epoll_pwait", epoll_pwait(e, &out, 1, 9, NULL));
	told("poll without waiting", poll(&f, 1, 0));
	return 0;
}
