/* filter_record.c - the same expressions over records (SEMANTICS R3): what a record cannot answer is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "table.h"

/* What a record can answer, laid out as the packet it stands for: a fixed header and four bytes of ports. */
enum { HEADER4 = 20, HEADER6 = 40, PORTS = 4 };

static const char refused[] =
	"a record keeps no %s; use host, net, src, dst, port, portrange, proto, tcp, udp, icmp, ip, ip6 with and, or, not";

/* ---- what a program may read --------------------------------------------------- */

/* What is certain before an instruction, whichever way led there.  Programs only jump forward. */
struct known {
	bool reached;
	uint64_t proto[4];   /* protocols the record may have, a bit each */
	enum { A_ANYTHING, A_PROTO } a;    /* the accumulator */
	enum { X_ANYTHING, X_HEADER } x;   /* the index register; X_HEADER: the length of the IPv4 header */
};

static void meet(struct known *to, const struct known *from)
{
	if (!to->reached) {
		*to = *from;
		return;
	}
	for (int i = 0; i < 4; i++)
		to->proto[i] |= from->proto[i];
	if (to->a != from->a)
		to->a = A_ANYTHING;
	if (to->x != from->x)
		to->x = X_ANYTHING;
}

static bool only_protocols(const struct known *k, const uint8_t *protocols, size_t n)
{
	uint64_t rest[4];

	memcpy(rest, k->proto, sizeof rest);
	for (size_t i = 0; i < n; i++)
		rest[protocols[i] / 64] &= ~((uint64_t)1 << protocols[i] % 64);
	return !(rest[0] | rest[1] | rest[2] | rest[3]);
}

static bool has_ports(const struct known *k)
{
	static const uint8_t protocols[] = {6, 17, 33, 132, 136}; /* RULES K1 */
	return only_protocols(k, protocols, sizeof protocols);
}

static bool is_fragment_header(const struct known *k)
{
	static const uint8_t fragment = 44;
	return only_protocols(k, &fragment, 1);
}

/* The field that a load asks for; NULL: one that a record answers.  `next` is the instruction behind it. */
static const char *unanswerable(const struct bpf_insn *in, const struct bpf_insn *next, int version,
                                const struct known *known, struct bpft_record_filter *f)
{
	static const char fields[] = "lengths, flags, options or link-layer fields", inner[] = "transport header fields";
	unsigned mode = BPF_MODE(in->code);
	uint32_t size = BPF_SIZE(in->code) == BPF_W ? 4 : BPF_SIZE(in->code) == BPF_H ? 2 : 1, k = in->k;
	uint32_t header = version == 4 ? HEADER4 : HEADER6, address = version == 4 ? 12 : 8;

	if (mode == BPF_IMM || mode == BPF_MEM)
		return NULL;
	if (mode == BPF_LEN)
		return "packet lengths";
	if (mode == BPF_MSH)
		return k == 0 && version == 4 ? NULL : inner;
	if (mode == BPF_IND || k >= header) { /* behind the IP header: the ports, where the protocol has some */
		bool at_ports = mode == BPF_IND ? version == 4 && known->x == X_HEADER && (k == 0 || k == 2)
		                                : version == 6 && (k == header || k == header + 2);
		if (at_ports && size == 2 && has_ports(known)) {
			f->reads_ports = true;
			return NULL;
		}
		/* libpcap looks for the protocol behind a fragment header as well, of which records keep none. */
		if (version == 6 && mode == BPF_ABS && k == header && size == 1 && is_fragment_header(known))
			return NULL;
		return inner;
	}
	if (k == (version == 4 ? 9u : 6u) && size == 1) {
		f->reads_proto = true;
		return NULL;
	}
	if (k >= address && k + size <= header)
		return NULL;
	if (version == 4 && k == 0 && size == 1) /* version and header length */
		return NULL;
	/* The fragment offset, as libpcap asks before it looks at ports; not the flags beside it. */
	if (version == 4 && k == 6 && size == 2 && next && next->code == (BPF_JMP | BPF_JSET | BPF_K) && next->k == 0x1FFF)
		return NULL;
	return fields;
}

/* What is known after a load into a register. */
static void load(struct known *known, const struct bpf_insn *in, int version)
{
	if (BPF_CLASS(in->code) == BPF_LDX)
		known->x = BPF_MODE(in->code) == BPF_MSH ? X_HEADER : X_ANYTHING;
	else
		known->a = BPF_MODE(in->code) == BPF_ABS && BPF_SIZE(in->code) == BPF_B
		           && in->k == (version == 4 ? 9u : 6u) ? A_PROTO : A_ANYTHING;
}

/* Both ways on from a conditional jump; a comparison of the protocol leaves each way fewer protocols. */
static void branch(struct known *at, const struct known *known, const struct bpf_insn *in, uint32_t i)
{
	struct known yes = *known, no = *known;

	if (in->code == (BPF_JMP | BPF_JEQ | BPF_K) && known->a == A_PROTO) {
		uint64_t bit = in->k < 256 ? (uint64_t)1 << in->k % 64 : 0;
		for (uint32_t w = 0; w < 4; w++) {
			yes.proto[w] &= in->k / 64 == w ? bit : 0;
			no.proto[w] &= in->k / 64 == w ? ~bit : UINT64_MAX;
		}
	}
	meet(&at[i + 1 + in->jt], &yes);
	meet(&at[i + 1 + in->jf], &no);
}

/* The field that a program asks for and no record has, or NULL. */
static const char *check(const struct bpf_program *program, int version, struct bpft_record_filter *f)
{
	const struct bpf_insn *in = program->bf_insns;
	uint32_t n = program->bf_len;
	struct known *at = calloc(n + 1, sizeof *at);
	const char *what = at ? NULL : "answer, for want of memory";

	if (at)
		at[0] = (struct known){.reached = true, .proto = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
	for (uint32_t i = 0; !what && i < n; i++, in++) {
		struct known known = at[i];

		if (!known.reached || BPF_CLASS(in->code) == BPF_RET)
			continue;
		if (in->code == (BPF_JMP | BPF_JA)) {
			meet(&at[i + 1 + in->k], &known);
			continue;
		}
		if (BPF_CLASS(in->code) == BPF_JMP) {
			branch(at, &known, in, i);
			continue;
		}
		if (BPF_CLASS(in->code) == BPF_LD || BPF_CLASS(in->code) == BPF_LDX) {
			what = unanswerable(in, i + 1 < n ? in + 1 : NULL, version, &known, f);
			load(&known, in, version);
		} else if (BPF_CLASS(in->code) == BPF_ALU || in->code == (BPF_MISC | BPF_TXA)) {
			known.a = A_ANYTHING;
		} else if (in->code == (BPF_MISC | BPF_TAX)) {
			known.x = X_ANYTHING;
		}
		meet(&at[i + 1], &known);
	}
	free(at);
	return what;
}

/* ---- the filter -------------------------------------------------------------------- */

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
		const char *what = check(&f->program[v], v ? 6 : 4, f);
		if (what) {
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
