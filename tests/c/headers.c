/* headers.c - what the kernel's program keeps of a frame, run as the kernel would: 0 all is well. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"

#define CHECK(what) do { if (!(what)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); exit(1); } } while (0)

enum { ETHERNET = 1, RAW = 101, SNAPLEN = 128, LARGE = 1514, NONE = 0, IP4_KEPT = 64, IP6_KEPT = 80, TCP = 6, UDP = 17, ICMP = 1 };

struct kind {
	const char *name;
	unsigned type, first, proto, length; /* ethertype, the IP header's first byte, bytes of the frame */
	unsigned kept;                       /* of it, where the expression is empty */
};
static const struct kind kinds[] = {
	{"TCP in IPv4", 0x0800, 0x45, TCP, LARGE, IP4_KEPT},
	{"TCP in IPv6", 0x86DD, 0x60, TCP, LARGE, IP6_KEPT},
	{"TCP in IPv6 of some traffic class", 0x86DD, 0x6F, TCP, LARGE, IP6_KEPT},
	{"TCP, no more than its headers", 0x0800, 0x45, TCP, 54, IP4_KEPT},
	{"UDP in IPv4", 0x0800, 0x45, UDP, LARGE, SNAPLEN},
	{"UDP in IPv6", 0x86DD, 0x60, UDP, LARGE, SNAPLEN},
	{"UDP, less than the headers of TCP", 0x0800, 0x45, UDP, 53, SNAPLEN},
	{"ICMP", 0x0800, 0x45, ICMP, LARGE, SNAPLEN},
	{"IPv4 with options", 0x0800, 0x46, TCP, LARGE, SNAPLEN},
	{"extensions of IPv6", 0x86DD, 0x60, 0, LARGE, SNAPLEN},
	{"a VLAN", 0x8100, 0x45, TCP, LARGE, SNAPLEN},
	{"ARP", 0x0806, 0, 0, 60, SNAPLEN},
	{"less than headers", 0x0800, 0x45, TCP, 53, SNAPLEN},
	{"no more than addresses", 0x0800, 0, 0, 14, SNAPLEN},
};

static unsigned kept(const struct bpf_program *program, const struct kind *k)
{
	uint8_t frame[LARGE] = {[12] = (uint8_t)(k->type >> 8), (uint8_t)k->type, (uint8_t)k->first};

	frame[k->type == 0x86DD ? 20 : 23] = (uint8_t)k->proto;
	frame[16] = 5;               /* IPv4: a length that filters do not mind */
	return bpf_filter(program->bf_insns, frame, k->length, k->length);
}

/* What the filter does not let pass still does not; of the rest as much is kept as of a frame of its kind. */
static void check_expression(const char *expression, bool optimize, bool udp)
{
	char error[BPFT_ERROR];
	struct bpf_program filter, made;
	unsigned passed = 0;

	CHECK(!bpft_filter_compile(&filter, expression, ETHERNET, SNAPLEN, optimize, error));
	struct bpf_insn *owned = bpft_filter_headers(&filter, ETHERNET, SNAPLEN, udp, &made);
	CHECK(owned && owned == made.bf_insns);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		const struct kind *k = &kinds[i];
		bool passes = kept(&filter, k), is_short = udp && k->proto == UDP && k->length == LARGE;
		unsigned most = !is_short ? k->kept : k->type == 0x0800 ? IP4_KEPT : IP6_KEPT;

		if (kept(&made, k) != (passes ? most : NONE)) {
			fprintf(stderr, "'%s', %s: %u bytes kept\n", expression, k->name, kept(&made, k));
			exit(1);
		}
		passed += passes;
	}
	CHECK(passed);
	free(owned);
	pcap_freecode(&filter);
}

int main(void)
{
	static const char *const expressions[] = {"", "ip", "tcp", "ip6 or arp", "not udp", "tcp or (ip and not icmp)", "less 60"};
	struct bpf_program filter, made;
	char error[BPFT_ERROR], many[16384] = "host 10.0.0.0";

	for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
		check_expression(expressions[i], true, false);
		check_expression(expressions[i], false, false);
		check_expression(expressions[i], true, true);
	}
	CHECK(!bpft_filter_compile(&filter, "", ETHERNET, SNAPLEN, true, error));
	CHECK(!bpft_filter_headers(&filter, RAW, SNAPLEN, true, &made));        /* other links begin otherwise */
	CHECK(!bpft_filter_headers(&filter, ETHERNET, IP6_KEPT - 1, true, &made)); /* nothing to gain */
	pcap_freecode(&filter);
	for (unsigned i = 1; i < 300; i++)
		sprintf(many + strlen(many), " or host 10.0.%u.%u", i / 250, i % 250);
	CHECK(!bpft_filter_compile(&filter, many, ETHERNET, SNAPLEN, false, error));
	CHECK(!bpft_filter_headers(&filter, ETHERNET, SNAPLEN, true, &made));   /* more than a kernel takes */
	pcap_freecode(&filter);
	return 0;
}
