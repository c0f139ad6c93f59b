// Network interfaces and their addresses.
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>

int main(void) {
	struct ifaddrs *list, *i;
	if (getifaddrs(&list) == 0)
		for (i = list; i; i = i->ifa_next) {
			char b[INET6_ADDRSTRLEN] = "";
			if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET) inet_ntop(AF_INET, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, b, sizeof b);
			printf("%s %d flags %x %s\n", i->ifa_name, i->ifa_addr ? i->ifa_addr->sa_family : 0, i->ifa_flags, b);
		}
	printf("lo is %u\n", if_nametoindex("lo"));
	struct addrinfo *a, hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM};
	printf("localhost %d\n", getaddrinfo("localhost", "80", &hints, &a));
	return 0;
}
