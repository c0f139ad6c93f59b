// Faults: their addresses, and how children die of them.
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static void *volatile at;

static void on(int s, siginfo_t *i, void *c) {
	at = i->si_addr;
	siglongjmp(back, s);
}

int main(void) {
	struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
	sigaction(SIGSEGV, &a, NULL);
	sigaction(SIGFPE, &a, NULL);
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int zero = 0;
	int s = sigsetjmp(back, 1);
	if (s == 0) page[123] = 1;
	printf("signal %d at %p\n", s, at);
	if ((s = sigsetjmp(back, 1)) == 0) zero = 1 / zero;
	printf("signal %d at %p\n", s, at);
	fflush(stdout);
	struct rlimit none = {0, 0};
	setrlimit(RLIMIT_CORE, &none);
	for (int i = 0; i < 4; i++) {
		int status;
		if (fork() == 0) {
			signal(SIGSEGV, SIG_DFL);
			if (i == 0) abort();
			if (i == 1) page[0] = 1;
			if (i == 2) __builtin_trap();
			_exit(300);
		}
		wait(&status);
		printf("status %x\n", status);
	}
	return 0;
}
