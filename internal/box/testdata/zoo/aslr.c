// Addresses: text, data, heap, stack, libraries, mappings, thread-local, vDSO.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

static __thread int local;
static int data;

static void *thread(void *arg) {
	int here;
	printf("thread: stack %p, local %p\n", (void *)&here, (void *)&local);
	return NULL;
}

int main(int argc, char **argv, char **envp) {
	int here;
	printf("text %p\ndata %p\nlibrary %p\n", (void *)main, (void *)&data, (void *)printf);
	printf("stack %p\nargv %p\nargv[0] %p\nenvp %p\n", (void *)&here, (void *)argv, argv[0], (void *)envp);
	printf("break %p\nmalloc %p\nbig %p\n", sbrk(0), malloc(10), malloc(1 << 22));
	printf("mmap %p\n", mmap(NULL, 12345, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	printf("local %p\nvDSO %lx\n", (void *)&local, getauxval(AT_SYSINFO_EHDR));
	pthread_t t;
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	return 0;
}
