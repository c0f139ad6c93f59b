// Processor time: getrusage, times, clock, and the clocks of process and thread.
#include <stdio.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <time.h>

int main(void) {
	volatile unsigned long n = 0;
	for (int i = 0; i < 20000000; i++) n += i;
	struct rusage u;
	struct tms m;
	struct timespec t;
	getrusage(RUSAGE_SELF, &u);
	printf("user %ld.%06ld system %ld.%06ld maxrss %ld faults %ld %ld switches %ld %ld\n", u.ru_utime.tv_sec, u.ru_utime.tv_usec,
		u.ru_stime.tv_sec, u.ru_stime.tv_usec, u.ru_maxrss, u.ru_minflt, u.ru_majflt, u.ru_nvcsw, u.ru_nivcsw);
	printf("times %ld: %ld %ld\n", (long)times(&m), (long)m.tms_utime, (long)m.tms_stime);
	printf("clock %ld\n", (long)clock());
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	printf("process %lld.%09ld\n", (long long)t.tv_sec, t.tv_nsec);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	printf("thread %lld.%09ld\n", (long long)t.tv_sec, t.tv_nsec);
	return 0;
}
