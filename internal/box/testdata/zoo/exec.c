// exec, from the first thread and from another: pids stay, addresses need not.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *self;
static char count[16];

static void *again(void *arg) {
	execl(self, self, count, NULL);
	return NULL;
}

static void *sleeper(void *arg) {
	for (;;) usleep(1000);
	return NULL;
}

int main(int argc, char **argv) {
	int n = argc > 1 ? atoi(argv[1]) : 0, here;
	printf("%d: pid %d stack %p text %p heap %p\n", n, getpid(), (void *)&here, (void *)main, malloc(1));
	fflush(stdout);
	if (n == 4) return 0;
	self = argv[0];
	snprintf(count, sizeof count, "%d", n + 1);
	pthread_t t;
	pthread_create(&t, NULL, sleeper, NULL);
	if (n % 2 == 0) again(NULL);
	pthread_create(&t, NULL, again, NULL);
	pause();
	return 1;
}
