// Names of temporary files.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
	for (int i = 0; i < 3; i++) {
		char here[] = "made-XXXXXX", there[] = "/tmp/coo-zoo-XXXXXX", dir[] = "/tmp/coo-zoo-dir-XXXXXX";
		if (mkstemp(here) < 0 || mkstemp(there) < 0 || !mkdtemp(dir)) return 1;
		printf("%s %s %s\n", here, there, dir);
		unlink(there);
		rmdir(dir);
	}
	FILE *f = tmpfile();
	printf("tmpfile %d\n", f != NULL);
	return 0;
}
