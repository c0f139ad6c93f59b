// Output of children and their parent to one pipe: how the lines mix.
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	for (int c = 0; c < 5; c++)
		if (fork() == 0) {
			for (int i = 0; i < 20; i++) dprintf(1 + (i % 5 == 0), "child %d line %d\n", c, i);
			return 0;
		}
	for (int i = 0; i < 20; i++) dprintf(1, "parent line %d\n", i);
	while (wait(NULL) > 0) {}
	return 0;
}
