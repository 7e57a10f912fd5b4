/* filter.c - tcpdump expressions over frames: libpcap compiles them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

struct bpf_insn *bpft_filter_headers(const struct bpf_program *filter, int linktype, int snaplen, bool udp,
                                     struct bpf_program *out)
{
	enum { LEAST = 54, KEEP4 = 64, KEEP6 = 80 /* bytes: the headers, and up to the next multiple of 16 */, TCP = 6, UDP = 17 };
	enum { MOST = 512 /* instructions that every system takes */ };
	enum { IP6 = 9, SHORT4 = 13, SHORT6, WHOLE, END };
	const bpf_u_int32 other = udp ? UDP : TCP;
	const struct bpf_insn tail[END] = {
		{BPF_LD | BPF_W | BPF_LEN, 0, 0, 0},
		{BPF_JMP | BPF_JGE | BPF_K, 0, WHOLE - 2, LEAST},
		{BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, IP6 - 4, 0x0800},
		{BPF_LD | BPF_B | BPF_ABS, 0, 0, 14},
		{BPF_JMP | BPF_JEQ | BPF_K, 0, WHOLE - 6, 0x45},
		{BPF_LD | BPF_B | BPF_ABS, 0, 0, 23},
		{BPF_JMP | BPF_JEQ | BPF_K, SHORT4 - 8, 0, TCP},
		{BPF_JMP | BPF_JEQ | BPF_K, SHORT4 - 9, WHOLE - 9, other},
		[IP6] = {BPF_JMP | BPF_JEQ | BPF_K, 0, WHOLE - 10, 0x86DD},
		{BPF_LD | BPF_B | BPF_ABS, 0, 0, 20},
		{BPF_JMP | BPF_JEQ | BPF_K, SHORT6 - 12, 0, TCP},
		{BPF_JMP | BPF_JEQ | BPF_K, SHORT6 - 13, WHOLE - 13, other},
		[SHORT4] = {BPF_RET | BPF_K, 0, 0, KEEP4},
		[SHORT6] = {BPF_RET | BPF_K, 0, 0, KEEP6},
		[WHOLE] = {BPF_RET | BPF_K, 0, 0, (bpf_u_int32)snaplen},
	};
	const unsigned n = filter->bf_len;

	if (linktype != DLT_EN10MB || snaplen < KEEP6 || n + END > MOST)
		return NULL;
	struct bpf_insn *program = malloc((n + END) * sizeof *program);
	if (!program)
		return NULL;
	memcpy(program, filter->bf_insns, n * sizeof *program);
	memcpy(program + n, tail, sizeof tail);
	for (unsigned i = 0; i < n; i++) /* what accepts goes on to the tail */
		if (program[i].code == (BPF_RET | BPF_K) && program[i].k)
			program[i] = (struct bpf_insn){BPF_JMP | BPF_JA, 0, 0, n - i - 1};
	*out = (struct bpf_program){.bf_len = n + END, .bf_insns = program};
	return program;
}
