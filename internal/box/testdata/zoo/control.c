// Nothing: the same natively and in any surroundings.
#include <stdio.h>

int main(void) {
	FILE *f = fopen("made", "w");
	fputs("made\n", f);
	fclose(f);
	puts("the same");
	fputs("the same, to stderr\n", stderr);
	return 0;
}
