// Reading the end of a pipe that is written, and writing the other, fails at
// once and waits for nobody.
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	int ends[2];
	char c = 0;
	if (pipe(ends))
		return 1;
	ssize_t n = read(ends[1], &c, 1);
	printf("read %zd %d\n", n, n < 0 ? errno : 0);
	n = write(ends[0], &c, 1);
	printf("write %zd %d\n", n, n < 0 ? errno : 0);
	return 0;
}
