// All that the kernel tells of interfaces, addresses and routes.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int dump(int s, int type) {
	struct {
		struct nlmsghdr head;
		struct rtgenmsg body;
	} q = {{sizeof q, type, NLM_F_REQUEST | NLM_F_DUMP, type, 0}, {AF_UNSPEC}};
	static unsigned char b[1 << 16];
	if (send(s, &q, sizeof q, 0) < 0) return 1;
	for (;;) {
		ssize_t n = recv(s, b, sizeof b, 0);
		if (n <= 0) return 1;
		printf("%d:", type);
		for (ssize_t i = 0; i < n; i++) printf(" %02x", b[i]);
		printf("\n");
		for (struct nlmsghdr *h = (struct nlmsghdr *)b; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n))
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) return 0;
	}
}

int main(void) {
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return s < 0 || dump(s, RTM_GETLINK) || dump(s, RTM_GETADDR) || dump(s, RTM_GETROUTE) || dump(s, RTM_GETNEIGH);
}
