/* filter.c - tcpdump expressions over frames: libpcap compiles them. */
#include <stdio.h>

#include "filter.h"

/* pcap_open_dead() wants DLT_ values; three LINKTYPE_ values that files hold differ from them. */
static int to_dlt(int linktype)
{
	switch (linktype) {
	case 100:
		return DLT_ATM_RFC1483;
	case 101:
		return DLT_RAW;
	case 106:
		return DLT_ATM_CLIP;
	default:
		return linktype;
	}
}

int bpft_filter_compile(struct bpf_program *program, const char *expression, int linktype, int snaplen,
                        bool optimize, char error[BPFT_ERROR])
{
	pcap_t *p = pcap_open_dead(to_dlt(linktype), snaplen);
	int bad = !p || pcap_compile(p, program, expression, optimize, PCAP_NETMASK_UNKNOWN);

	if (bad)
		snprintf(error, BPFT_ERROR, "%s", p ? pcap_geterr(p) : "no memory");
	if (p)
		pcap_close(p);
	return bad ? -1 : 0;
}
