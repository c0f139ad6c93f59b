// Addresses of malloc in several threads, each with an arena of its own.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static void *thread(void *arg) {
	char line[200];
	int n = 0;
	for (int size = 10; size < 300000; size *= 8) n += snprintf(line + n, sizeof line - n, " %p", malloc(size));
	printf("thread %ld:%s\n", (long)arg, line);
	return NULL;
}

int main(void) {
	pthread_t t[4];
	for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, thread, (void *)i);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	return 0;
}
