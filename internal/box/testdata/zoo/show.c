// Prints the files that it is told to: /proc and /sys are full of numbers that
// are never the same.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void directory(const char *name, DIR *d) {
	struct dirent *e;
	while ((e = readdir(d))) {
		char path[512], to[512];
		snprintf(path, sizeof path, "%s/%s", name, e->d_name);
		ssize_t n = readlink(path, to, sizeof to);
		printf("%s -> %.*s\n", path, n > 0 ? (int)n : 0, to);
	}
	closedir(d);
}

int main(int argc, char **argv) {
	for (int i = 1; i < argc; i++) {
		printf("== %s\n", argv[i]);
		DIR *d = opendir(argv[i]);
		if (d) {
			directory(argv[i], d);
			continue;
		}
		FILE *f = fopen(argv[i], "r");
		if (!f) {
			printf("%s\n", strerror(errno));
			continue;
		}
		for (int c; (c = getc(f)) != EOF;) putchar(c == 0 ? '\n' : c);
		fclose(f);
	}
	return 0;
}
