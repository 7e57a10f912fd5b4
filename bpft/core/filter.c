/* filter.c - one filter language everywhere: libpcap compiles it, here it meets frames and records (SEMANTICS R3). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "table.h"

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

/* ---- records ------------------------------------------------------------------------- */

/* What a record can answer, laid out as the packet it stands for: a fixed header and four bytes of ports. */
enum { HEADER4 = 20, HEADER6 = 40, PORTS = 4 };

static const char refused[] =
	"a record keeps no %s; use host, net, src, dst, port, portrange, proto, tcp, udp, icmp, ip, ip6 with and, or, not";

/* Is this load one that a record answers?  NULL, or what it would read.  `next` is the instruction behind it. */
static const char *unanswerable(const struct bpf_insn *in, const struct bpf_insn *next, int version,
                                struct bpft_record_filter *f)
{
	unsigned class = BPF_CLASS(in->code), mode = BPF_MODE(in->code);
	uint32_t size = BPF_SIZE(in->code) == BPF_W ? 4 : BPF_SIZE(in->code) == BPF_H ? 2 : 1, k = in->k;

	if (class != BPF_LD && class != BPF_LDX)
		return NULL;
	if (mode == BPF_IMM || mode == BPF_MEM)
		return NULL;
	if (mode == BPF_LEN)
		return "packet lengths";
	if (mode == BPF_MSH) /* the header length, to find the ports */
		return k == 0 && version == 4 ? NULL : "transport header fields";
	if (mode == BPF_IND) {
		if (version == 4 && size == 2 && (k == 0 || k == 2)) {
			f->reads_ports = true;
			return NULL;
		}
		return "header fields at variable offsets";
	}
	if (version == 4) {
		if (k == 0 && size == 1) /* version and header length */
			return NULL;
		/* The fragment offset, as libpcap asks before it looks at ports; not the flags beside it. */
		if (k == 6 && size == 2 && next && next->code == (BPF_JMP | BPF_JSET | BPF_K) && next->k == 0x1FFF)
			return NULL;
		if (k == 9 && size == 1) {
			f->reads_proto = true;
			return NULL;
		}
		if (k >= 12 && k + size <= HEADER4)
			return NULL;
	} else {
		if (k == 6 && size == 1) {
			f->reads_proto = true;
			return NULL;
		}
		if (k >= 8 && k + size <= HEADER6)
			return NULL;
		if (k == HEADER6 && size == 1) /* libpcap looks behind a fragment header, of which records have none */
			return NULL;
		if ((k == HEADER6 || k == HEADER6 + 2) && size == 2) {
			f->reads_ports = true;
			return NULL;
		}
	}
	return "lengths, flags, options or link-layer fields";
}

int bpft_record_filter_compile(struct bpft_record_filter *f, const char *expression, char error[BPFT_ERROR])
{
	static const int dlt[2] = {DLT_IPV4, DLT_IPV6};
	char said[2][BPFT_ERROR];

	memset(f, 0, sizeof *f);
	for (int v = 0; v < 2; v++) {
		if (bpft_filter_compile(&f->program[v], expression, dlt[v], BPFT_ERROR, true, said[v])) {
			f->program[v].bf_insns = NULL;
			continue;
		}
		const struct bpf_insn *in = f->program[v].bf_insns;
		for (unsigned i = 0; i < f->program[v].bf_len; i++) {
			const char *what = unanswerable(&in[i], i + 1 < f->program[v].bf_len ? &in[i + 1] : NULL, v ? 6 : 4, f);
			if (!what)
				continue;
			snprintf(error, BPFT_ERROR, refused, what);
			bpft_record_filter_free(f);
			return -1;
		}
	}
	if (f->program[0].bf_insns || f->program[1].bf_insns)
		return 0;
	snprintf(error, BPFT_ERROR, "%s", said[0]);
	return -1;
}

void bpft_record_filter_free(struct bpft_record_filter *f)
{
	for (int v = 0; v < 2; v++)
		if (f->program[v].bf_insns)
			pcap_freecode(&f->program[v]);
	memset(f, 0, sizeof *f);
}

size_t bpft_record_filter_select(const struct bpft_record_filter *f, int version, const void *records, size_t n,
                                 void *out)
{
	const size_t size = bpft_rec_size(version), key_size = bpft_key_size(version), address = (key_size - 8) / 2;
	const struct bpf_insn *program = f->program[version == 6].bf_insns;
	const uint8_t *rec = records;
	uint8_t *to = out, packet[HEADER6 + PORTS] = {0};
	unsigned length = (version == 4 ? HEADER4 : HEADER6) + PORTS;

	packet[0] = version == 4 ? 0x45 : 0x60;
	for (size_t i = 0; program && i < n; i++, rec += size) {
		if (bpft_key_flags(rec, version) & BPFT_OTHER)
			continue;
		packet[version == 4 ? 9 : 6] = rec[key_size - 4];
		memcpy(packet + (version == 4 ? 12 : 8), rec, 2 * address);
		memcpy(packet + length - PORTS, rec + 2 * address, PORTS);
		if (bpf_filter(program, packet, length, length)) {
			memcpy(to, rec, size);
			to += size;
		}
	}
	return (size_t)(to - (uint8_t *)out) / size;
}
