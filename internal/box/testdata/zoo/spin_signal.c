// A loop without a system call until a timer's signal: where it is hit.
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>

static volatile sig_atomic_t hit;

static void on(int s) { hit = 1; }

int main(void) {
	unsigned long n = 0;
	struct itimerval v = {{0, 0}, {0, 5000}};
	signal(SIGALRM, on);
	setitimer(ITIMER_REAL, &v, NULL);
	while (!hit) n++;
	printf("hit at %lu\n", n);
	return 0;
}
