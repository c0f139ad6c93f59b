// A named semaphore and named shared memory between processes.
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	char name[40];
	snprintf(name, sizeof name, "/coo-zoo-%d", getpid());
	sem_t *s = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
	int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
	if (s == SEM_FAILED || fd < 0 || ftruncate(fd, 4096)) return 1;
	char *log = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int *n = (int *)log;
	for (int p = 0; p < 4; p++)
		if (fork() == 0) {
			for (int i = 0; i < 200; i++) {
				sem_wait(s);
				log[sizeof *n + (*n)++] = 'a' + p;
				sem_post(s);
			}
			return 0;
		}
	while (wait(NULL) > 0) {}
	printf("%s\n%.*s\n", name, *n, log + sizeof *n);
	sem_unlink(name);
	shm_unlink(name);
	return 0;
}
