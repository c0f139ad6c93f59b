// All that the kernel tells of interfaces, addresses and routes, received in
// each way there is.
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned char b[1 << 16];

static ssize_t by_recv(int s) { return recv(s, b, sizeof b, 0); }
static ssize_t by_read(int s) { return read(s, b, sizeof b); }

static ssize_t by_recvfrom(int s) {
	struct sockaddr_nl from;
	socklen_t n = sizeof from;
	return recvfrom(s, b, sizeof b, 0, (struct sockaddr *)&from, &n);
}

static ssize_t by_readv(int s) {
	struct iovec v[] = {{b, 18}, {b + 18, 100}, {b + 118, sizeof b - 118}};
	return readv(s, v, 3);
}

static ssize_t by_recvmsg(int s) {
	struct iovec v[] = {{b, 30}, {b + 30, 1000}, {b + 1030, sizeof b - 1030}};
	struct sockaddr_nl from;
	struct msghdr m = {&from, sizeof from, v, 3, 0, 0, 0};
	ssize_t n = recvmsg(s, &m, 0);
	printf("flags %x\n", m.msg_flags);
	return n;
}

static ssize_t by_recvmmsg(int s) {
	struct iovec v = {b, sizeof b};
	struct mmsghdr m = {{0, 0, &v, 1, 0, 0, 0}, 0};
	if (recvmmsg(s, &m, 1, 0, NULL) != 1) return -1;
	return m.msg_len;
}

// Its length first, as ip(8) does.
static ssize_t by_length(int s) {
	struct iovec v = {b, 0};
	struct msghdr m = {0, 0, &v, 1, 0, 0, 0};
	ssize_t n = recvmsg(s, &m, MSG_PEEK | MSG_TRUNC);
	if (n < 0) return -1;
	printf("length %zd flags %x\n", n, m.msg_flags);
	return recv(s, b, n, MSG_DONTWAIT);
}

// Its beginning alone.
static ssize_t by_part(int s) {
	ssize_t n = recv(s, b, 16, MSG_TRUNC);
	printf("of %zd\n", n);
	return n < 16 ? n : 16;
}

static int dump(int s, int type, ssize_t (*receive)(int)) {
	struct {
		struct nlmsghdr head;
		struct rtgenmsg body;
	} q = {{sizeof q, type, NLM_F_REQUEST | NLM_F_DUMP, type, 0}, {AF_UNSPEC}};
	if (send(s, &q, sizeof q, 0) < 0) return 1;
	for (;;) {
		ssize_t n = receive(s);
		if (n <= 0) return 1;
		printf("%d:", type);
		for (ssize_t i = 0; i < n; i++) printf(" %02x", b[i]);
		printf("\n");
		for (struct nlmsghdr *h = (struct nlmsghdr *)b; n >= (ssize_t)sizeof *h; h = NLMSG_NEXT(h, n))
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) return 0;
	}
}

int main(void) {
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct sockaddr_nl own = {AF_NETLINK};
	socklen_t n = sizeof own;
	if (s < 0 || bind(s, (struct sockaddr *)&own, n) || getsockname(s, (struct sockaddr *)&own, &n)) return 1;
	printf("%u\n", own.nl_pid);
	if (dump(s, RTM_GETLINK, by_recv) || dump(s, RTM_GETADDR, by_recv) || dump(s, RTM_GETROUTE, by_recv) || dump(s, RTM_GETNEIGH, by_recv)) return 1;
	ssize_t (*const ways[])(int) = {by_read, by_recvfrom, by_readv, by_recvmsg, by_recvmmsg, by_length, by_part};
	for (int i = 0; i < 7; i++)
		if (dump(s, RTM_GETLINK, ways[i]) || dump(s, RTM_GETADDR, ways[i])) return i + 2;
	return 0;
}
