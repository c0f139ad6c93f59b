// POSIX timers that send signals and that call a function in a thread.
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t signals;
static volatile int calls;

static void on(int s, siginfo_t *i, void *c) { signals++; }
static void called(union sigval v) { __atomic_add_fetch(&calls, v.sival_int, __ATOMIC_SEQ_CST); }

int main(void) {
	struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(SIGRTMIN, &a, NULL);
	timer_t s, t;
	struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	struct sigevent te = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = called, .sigev_value.sival_int = 1};
	timer_create(CLOCK_MONOTONIC, &se, &s);
	timer_create(CLOCK_REALTIME, &te, &t);
	struct itimerspec fast = {{0, 1000000}, {0, 1000000}}, slow = {{0, 4000000}, {0, 4000000}}, left;
	timer_settime(s, 0, &fast, NULL);
	timer_settime(t, 0, &slow, NULL);
	for (int i = 0; i < 10; i++) {
		usleep(3100);
		timer_gettime(s, &left);
		printf("%d signals, %d calls, left %ld, overrun %d\n", (int)signals, calls, left.it_value.tv_nsec, timer_getoverrun(s));
	}
	timer_delete(s);
	timer_delete(t);
	return 0;
}
