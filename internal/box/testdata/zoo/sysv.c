// System V messages, semaphores and shared memory, whose numbers the system gives.
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

struct message { long type; char text[40]; };

int main(void) {
	int q = msgget(IPC_PRIVATE, 0600), s = semget(IPC_PRIVATE, 1, 0600), m = shmget(IPC_PRIVATE, 4096, 0600);
	printf("queue %d semaphores %d memory %d\n", q, s, m);
	if (q < 0 || s < 0 || m < 0) return 0; // refused
	char *at = shmat(m, NULL, 0);
	printf("at %p\n", (void *)at);
	fflush(stdout);
	semctl(s, 0, SETVAL, 1);
	for (int p = 0; p < 3; p++)
		if (fork() == 0) {
			for (int i = 0; i < 10; i++) {
				struct sembuf take = {0, -1, 0}, give = {0, 1, 0};
				struct message g = {1 + p % 2, ""};
				semop(s, &take, 1);
				int n = at[0]++;
				semop(s, &give, 1);
				snprintf(g.text, sizeof g.text, "%d from %d", n, p);
				msgsnd(q, &g, sizeof g.text, 0);
			}
			return 0;
		}
	for (int i = 0; i < 30; i++) {
		struct message g;
		msgrcv(q, &g, sizeof g.text, i % 5 ? 0 : -2, 0);
		printf("%ld: %s\n", g.type, g.text);
	}
	while (wait(NULL) > 0) {}
	struct msqid_ds d;
	msgctl(q, IPC_STAT, &d);
	printf("last sender %d at %lld\n", d.msg_lspid, (long long)d.msg_stime);
	msgctl(q, IPC_RMID, NULL);
	semctl(s, 0, IPC_RMID);
	shmctl(m, IPC_RMID, NULL);
	return 0;
}
