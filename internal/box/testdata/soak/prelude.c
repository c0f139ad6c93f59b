// What random agents in C are made of; the threads follow.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t locks[3] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int queued[3], set[3];
static volatile int counter;

#define say(t, format, ...)                                                                                        \
	do {                                                                                                       \
		struct timespec now;                                                                               \
		clock_gettime(CLOCK_MONOTONIC, &now);                                                              \
		dprintf(1, "%lld.%09ld %d: " format "\n", (long long)now.tv_sec, now.tv_nsec, t, __VA_ARGS__);     \
	} while (0)

static void compute(int t, int k) {
	volatile long n = 0;
	for (long i = 0; i < k * 10000L; i++) n += i % 7;
	say(t, "computed %ld", n);
}

static void nap(int t, int k) { usleep(k); }

static void locked(int t, int k) {
	pthread_mutex_lock(&locks[k % 3]);
	say(t, "holds %d", k % 3);
	usleep(k);
	pthread_mutex_unlock(&locks[k % 3]);
}

static void change(int *what, int to) {
	pthread_mutex_lock(&guard);
	*what = to < 0 ? *what + 1 : to;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&guard);
}

static int until(int *what, int k) {
	struct timespec end;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += k * 100000L;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	pthread_mutex_lock(&guard);
	int e = 0;
	while (!*what && e != ETIMEDOUT) e = pthread_cond_timedwait(&changed, &guard, &end);
	int got = *what;
	if (got && what < queued + 3 && what >= queued) --*what;
	pthread_mutex_unlock(&guard);
	return got;
}

static void put(int t, int k) { change(&queued[k % 3], -1); }
static void get(int t, int k) { say(t, "got %d", until(&queued[k % 3], k)); }
static void signal_(int t, int k) { change(&set[k % 3], 1); }
static void await_(int t, int k) { say(t, "event %d", until(&set[k % 3], k)); }

static void dice(int t, int k) {
	unsigned r = 0;
	if (getrandom(&r, sizeof r, 0) != sizeof r) _exit(1);
	say(t, "rolled %x", r);
}

static void racy(int t, int k) {
	int v = counter;
	if (k % 2 == 0) usleep(1);
	counter = v + 1;
	say(t, "counted %d", counter);
}

static void child(int t, int k) {
	int status;
	pid_t p = fork();
	if (p == 0) {
		usleep(k % 10 * 1000);
		_exit(k % 4);
	}
	waitpid(p, &status, 0);
	say(t, "child %d %d", p, WEXITSTATUS(status));
}

static void write_(int t, int k) {
	int fd = open(k % 2 ? "made-1" : "made-0", O_WRONLY | O_APPEND | O_CREAT, 0644);
	dprintf(fd, "%d %lld\n", t, (long long)time(NULL));
	close(fd);
}

static void ask(int t, int k) {
	char body[200], text[500];
	snprintf(body, sizeof body,
		 "{\"model\":\"sample-small\",\"stream\":%s,\"messages\":[{\"role\":\"user\",\"content\":\"%d %d\"}]}",
		 k % 2 ? "true" : "false", t, k);
	int size = snprintf(text, sizeof text,
			    "POST /v1/chat/completions HTTP/1.1\r\nhost: MODEL_ADDRESS\r\ncontent-type: application/json\r\n"
			    "connection: close\r\ncontent-length: %zu\r\n\r\n%s",
			    strlen(body), body);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(strchr("MODEL_ADDRESS", ':') + 1))};
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(s, (struct sockaddr *)&to, sizeof to) || write(s, text, size) != size) abort();
	unsigned sum = 0;
	for (ssize_t n; (n = read(s, text, sizeof text)) > 0;) {
		for (ssize_t i = 0; i < n; i++) sum = sum * 31 + text[i];
		say(t, "heard %zd", n);
	}
	say(t, "sum %u", sum);
	close(s);
}

static int run(int n, void *(*threads[])(void *)) {
	pthread_t started[n];
	for (int i = 0; i < n; i++) pthread_create(&started[i], NULL, threads[i], NULL);
	for (int i = 0; i < n; i++) pthread_join(started[i], NULL);
	say(-1, "%d", counter);
	return 0;
}
