// A signal during a read that waits: EINTR without SA_RESTART, none with it.
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t hits;
static pthread_t waiting;
static int p[2];

static void on(int s) { hits++; }

static void *hitter(void *arg) {
	for (int i = 0; i < 5; i++) {
		usleep(3000);
		pthread_kill(waiting, SIGUSR1);
	}
	usleep(3000);
	return write(p[1], "x", 1) == 1 ? NULL : arg;
}

int main(void) {
	waiting = pthread_self();
	if (pipe(p)) return 1;
	for (int restart = 0; restart < 2; restart++) {
		struct sigaction a = {.sa_handler = on, .sa_flags = restart ? SA_RESTART : 0};
		sigaction(SIGUSR1, &a, NULL);
		pthread_t t;
		pthread_create(&t, NULL, hitter, NULL);
		char c;
		while (read(p[0], &c, 1) < 0) printf("read: EINTR %d after %d hits\n", errno == EINTR, (int)hits);
		printf("read a byte after %d hits\n", (int)hits);
		pthread_join(t, NULL);
		pthread_create(&t, NULL, hitter, NULL);
		struct pollfd f = {p[0], POLLIN, 0};
		while (poll(&f, 1, -1) < 0) printf("poll: EINTR %d after %d hits\n", errno == EINTR, (int)hits);
		if (read(p[0], &c, 1) != 1) return 1;
		pthread_join(t, NULL);
		pthread_create(&t, NULL, hitter, NULL);
		struct timespec s = {0, 50000000};
		while (nanosleep(&s, &s)) printf("nanosleep: rest %ld after %d hits\n", s.tv_nsec, (int)hits);
		pthread_join(t, NULL);
		if (read(p[0], &c, 1) != 1) return 1;
	}
	return 0;
}
