// What stat tells of files that were there before, and of files made now.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void show(const char *name) {
	struct stat s;
	struct statx x;
	if (lstat(name, &s)) return;
	printf("%s: dev %lx ino %lu links %lu size %ld blocks %ld block %ld\n", name, s.st_dev, s.st_ino, s.st_nlink,
		(long)s.st_size, (long)s.st_blocks, (long)s.st_blksize);
	printf("  mtime %ld.%09ld ctime %ld.%09ld atime %ld.%09ld\n", s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec,
		s.st_ctim.tv_nsec, s.st_atim.tv_sec, s.st_atim.tv_nsec);
	if (statx(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, STATX_ALL | STATX_BTIME, &x)) return;
	printf("  statx: ino %llu dev %u:%u mount %llu btime %lld.%09u\n", (unsigned long long)x.stx_ino, x.stx_dev_major, x.stx_dev_minor,
		(unsigned long long)x.stx_mnt_id, (long long)x.stx_btime.tv_sec, x.stx_btime.tv_nsec);
}

int main(void) {
	show("before");
	show("before/tide");
	show("before/ebb");
	show(".");
	close(open("made", O_WRONLY | O_CREAT, 0644));
	mkdir("directory", 0755);
	if (symlink("made", "link") || link("made", "hard")) return 1;
	show("made");
	show("directory");
	show("link");
	show("hard");
	show("/etc/passwd");
	show("/dev/null");
	show("/tmp");
	return 0;
}
