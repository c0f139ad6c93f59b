// Free space and numbers of file systems.
#include <stdio.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

int main(void) {
	const char *names[] = {".", "/", "/tmp", "/proc", "/dev/shm"};
	for (int i = 0; i < 5; i++) {
		struct statfs s;
		struct statvfs v;
		if (statfs(names[i], &s) || statvfs(names[i], &v)) continue;
		printf("%s: type %lx blocks %lu free %lu available %lu files %lu free %lu id %x %x flags %lx\n", names[i], (long)s.f_type,
			s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree, s.f_fsid.__val[0], s.f_fsid.__val[1], v.f_flag);
	}
	return 0;
}
