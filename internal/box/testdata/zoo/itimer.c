// An interval timer and how many of its signals arrive while the program sleeps.
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t alarms;

static void on(int s) { alarms++; }

int main(void) {
	struct sigaction a = {.sa_handler = on};
	sigaction(SIGALRM, &a, NULL);
	struct itimerval v = {{0, 2000}, {0, 2000}}, left;
	setitimer(ITIMER_REAL, &v, NULL);
	for (int i = 0; i < 5; i++) {
		struct timespec t = {0, 9000000}, rest = {0, 0};
		int got = nanosleep(&t, &rest);
		printf("slept: %d, rest %ld ns, %d alarms\n", got, rest.tv_nsec, (int)alarms);
	}
	getitimer(ITIMER_REAL, &left);
	printf("left %ld us\n", left.it_value.tv_usec);
	return 0;
}
