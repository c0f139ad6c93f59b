// The order of a directory, and the numbers in its entries.
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void list(const char *name) {
	DIR *d = opendir(name);
	struct dirent *e;
	while ((e = readdir(d))) printf("%s/%s ino %lu off %ld type %d\n", name, e->d_name, e->d_ino, e->d_off, e->d_type);
	rewinddir(d);
	int n = 0;
	while (readdir(d)) n++;
	printf("%s: %d again\n", name, n);
	closedir(d);
}

int main(void) {
	mkdir("many", 0755);
	for (int i = 0; i < 60; i++) {
		char name[64];
		snprintf(name, sizeof name, "many/%d-%d", i * 7919 % 61, i);
		close(open(name, O_WRONLY | O_CREAT, 0644));
	}
	list("before");
	list("many");
	return 0;
}
