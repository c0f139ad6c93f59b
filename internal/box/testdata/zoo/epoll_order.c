// The order in which epoll tells of descriptors that are ready at once, level
// and edge triggered, and one-shot to several waiters.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

static int pipes[8][2], e, taken;

static void *writer(void *arg) {
	for (int i = 0; i < 8; i++) {
		int k = (i * 3 + (int)(long)arg) % 8;
		if (write(pipes[k][1], "x", 1) != 1) return NULL;
		usleep(30);
	}
	return NULL;
}

static void *waiter(void *arg) {
	struct epoll_event ev;
	char c;
	while (__atomic_load_n(&taken, __ATOMIC_SEQ_CST) < 32) {
		if (epoll_wait(e, &ev, 1, 5) != 1) continue;
		if (read(pipes[ev.data.u32][0], &c, 1) == 1) dprintf(1, "%d: waiter %ld pipe %u\n", __atomic_add_fetch(&taken, 1, __ATOMIC_SEQ_CST), (long)arg, ev.data.u32);
		ev.events = EPOLLIN | EPOLLONESHOT;
		epoll_ctl(e, EPOLL_CTL_MOD, pipes[ev.data.u32][0], &ev);
	}
	return NULL;
}

int main(void) {
	pthread_t t[7];
	int level = epoll_create1(0);
	e = epoll_create1(0);
	for (int i = 0; i < 8; i++) {
		if (pipe2(pipes[i], 0)) return 1;
		struct epoll_event ev = {EPOLLIN | EPOLLONESHOT, {.u32 = i}}, lv = {i % 2 ? EPOLLIN : EPOLLIN | EPOLLET, {.u32 = i}};
		epoll_ctl(e, EPOLL_CTL_ADD, pipes[i][0], &ev);
		epoll_ctl(level, EPOLL_CTL_ADD, pipes[i][0], &lv);
	}
	for (long i = 0; i < 7; i++) pthread_create(&t[i], NULL, i < 4 ? writer : waiter, (void *)i);
	for (int i = 0; i < 20; i++) {
		struct epoll_event many[8];
		char line[100];
		int n = epoll_wait(level, many, 8, 1), k = 0;
		for (int j = 0; j < n; j++) k += snprintf(line + k, sizeof line - k, " %u", many[j].data.u32);
		dprintf(1, "level: %d:%.*s\n", n, k, line);
	}
	for (int i = 0; i < 7; i++) pthread_join(t[i], NULL);
	return 0;
}
