// Every clock that clock_gettime knows, through libc and so the vDSO.
#include <stdio.h>
#include <time.h>

int main(void) {
	for (int id = 0; id < 12; id++) {
		struct timespec t = {0}, r = {0};
		int got = clock_gettime(id, &t);
		clock_getres(id, &r);
		printf("clock %d: %d %lld.%09ld, resolution %ld\n", id, got, (long long)t.tv_sec, t.tv_nsec, r.tv_nsec);
	}
	return 0;
}
