/* decode.c - one frame into one summary, by the accounting rules (RULES.md I, B, K, P; SEMANTICS C1, C2, C5, C6). */
#include <string.h>

#include "decode.h"

const char *const bpft_skip_name[BPFT_NSKIP] = {
#define X(id, name) [BPFT_SKIP_##id] = name,
	BPFT_SKIP_LIST(X)
#undef X
};

enum { NEVER = 1 << 24 };    /* bytes that no packet has */
const struct bpft_l4 bpft_l4[256] = { /* a range over all with exceptions would be warned of */
	[0 ... BPFT_TCP - 1] = {NEVER, 0},
	[BPFT_TCP] = {20, 15 << 2},
	[BPFT_TCP + 1 ... BPFT_UDP - 1] = {NEVER, 0},
	[BPFT_UDP] = {8, 0},
	[BPFT_UDP + 1 ... 255] = {NEVER, 0},
};

enum {
	P_HOPOPTS = 0, P_ICMP = 1, P_IGMP = 2, P_TCP = BPFT_TCP, P_UDP = BPFT_UDP, P_DCCP = 33, P_ROUTING = 43,
	P_FRAGMENT = 44, P_ICMP6 = 58, P_DSTOPTS = 60, P_SCTP = 132, P_UDPLITE = 136,
	IP4_HEADER = BPFT_IP4_HEADER, IP6_HEADER = BPFT_IP6_HEADER, MAX_IP6_PAYLOAD = 65535,
	LINKTYPE_ETHERNET = 1,
};

struct packet {              /* an IP packet inside a frame */
	const uint8_t *ip;   /* its header */
	uint32_t captured;   /* bytes captured from there on */
	uint32_t room;       /* bytes on the wire from there on: what a length may claim */
	uint32_t total;      /* IP bytes (B1..B6) */
	uint32_t header;     /* IP header bytes, extension headers included */
	uint8_t proto;
	bool later_fragment; /* not the first: no transport header (K2) */
};

static int ip4(struct packet *p)
{
	if (p->captured < IP4_HEADER)
		return SKIP(SHORT_IP);
	p->header = (p->ip[0] & 15) * 4u;
	if (p->header < IP4_HEADER)
		return SKIP(BAD_IHL);
	p->total = bpft_be16(p->ip + 2);
	if (p->total == 0) /* segmentation offload (B2) */
		p->total = p->room;
	if (p->total < p->header)
		return SKIP(BAD_LENGTH);
	if (p->total > p->room) { /* B3 */
		p->total = p->room;
		if (p->total < p->header)
			return SKIP(BAD_LENGTH);
	}
	p->proto = p->ip[9];
	p->later_fragment = bpft_be16(p->ip + 6) & 0x1FFF;
	return 0;
}

/* The jumbo payload length among hop-by-hop options from `at` to `end`, or 0 (RFC 2675, B5). */
static uint32_t jumbo(const uint8_t *ip, uint32_t at, uint32_t end)
{
	while (at + 2 <= end) {
		if (ip[at] == 0) { /* Pad1 */
			at++;
			continue;
		}
		if (ip[at] == 0xC2 && ip[at + 1] == 4 && at + 6 <= end) {
			uint32_t n = bpft_be32(ip + at + 2);
			return n > MAX_IP6_PAYLOAD ? n : 0;
		}
		at += 2u + ip[at + 1];
	}
	return 0;
}

/* Walk the extension headers (K3); *total may grow to a jumbogram's. */
static void extensions(struct packet *p, uint8_t next, bool may_be_jumbo, uint64_t *total)
{
	while (next == P_HOPOPTS || next == P_ROUTING || next == P_DSTOPTS || next == P_FRAGMENT) {
		uint32_t at = p->header, n = 8;

		if (at + 8 > p->captured)
			break;
		const uint8_t *x = p->ip + at;
		if (next != P_FRAGMENT)
			n += x[1] * 8u;
		if (next == P_HOPOPTS && may_be_jumbo) {
			uint32_t end = at + n < p->captured ? at + n : p->captured;
			uint32_t length = jumbo(p->ip, at + 2, end);
			if (length)
				*total = (uint64_t)IP6_HEADER + length;
		}
		if (*total < p->header + n)
			break;
		p->header += n;
		bool fragment = next == P_FRAGMENT;
		next = x[0];
		if (fragment && bpft_be16(x + 2) >> 3) {
			p->later_fragment = true;
			break;
		}
	}
	p->proto = next;
}

static int ip6(struct packet *p)
{
	if (p->captured < IP6_HEADER)
		return SKIP(SHORT_IP);
	uint32_t length = bpft_be16(p->ip + 4);
	uint8_t next = p->ip[6];
	uint64_t total = IP6_HEADER + length;

	if (length == 0 && next != P_HOPOPTS && p->room > MAX_IP6_PAYLOAD + IP6_HEADER) /* BIG TCP (B6) */
		total = p->room;
	p->header = IP6_HEADER;
	p->later_fragment = false;
	extensions(p, next, length == 0, &total);
	p->total = total > p->room ? p->room : (uint32_t)total;
	if (p->header > p->total)
		p->header = p->total;
	return 0;
}

/* Transport header bytes (P1..P3); ports go to the key where the protocol has them (K1, K7). */
static uint32_t transport(const struct packet *p, struct bpft_key_tail *key)
{
	uint32_t end = p->captured < p->total ? p->captured : p->total, at = p->header, n;
	const uint8_t *l4 = p->ip + at;

	if (p->later_fragment)
		return 0;
	switch (p->proto) {
	case P_TCP: case P_UDP: case P_DCCP: case P_SCTP: case P_UDPLITE:
		if (at + 4 <= end) {
			memcpy(key->sport, l4, 2);
			memcpy(key->dport, l4 + 2, 2);
		}
	}
	switch (p->proto) {
	case P_TCP:
		n = at + 12 < end ? (l4[12] >> 4) * 4u : 0;
		return n < 20 ? 20 : n;
	case P_DCCP:
		n = at + 4 < end ? l4[4] * 4u : 0;
		return n < 12 ? 12 : n;
	case P_SCTP:
		return 12;
	case P_UDP: case P_UDPLITE: case P_ICMP: case P_ICMP6: case P_IGMP:
		return 8;
	default:
		return 0;
	}
}

/* Count a merged packet as those it was on the wire (C2): each begins with the same headers, of which `own` bytes are
 * those that are no data of the key, and carries `payload` bytes behind them.  Returns the frame bytes they were more. */
static uint32_t unmerge(struct bpft_flow *f, uint32_t own, uint32_t headers, uint32_t link, uint32_t payload)
{
	uint32_t more = f->all > headers ? (f->all - headers - 1) / payload : 0; /* packets besides the first */

	f->packets += more;
	f->all += more * headers;
	f->data += more * (headers - own);
	return more * (headers + link);
}

/* Was it merged?  The frame says so, or, where its source cannot know, its length above the MTU does. */
static uint32_t count_on_wire(struct bpft_flow *f, const struct packet *p, uint32_t l4, uint32_t link,
                              const struct bpft_frame *frame, uint32_t mtu)
{
	uint32_t own = p->header + l4;

	if (p->later_fragment)
		return 0;
	if (frame->segment) {
		if (frame->repeated >= link + own) /* a tunnel's inner headers are repeated as well, and are its data */
			return unmerge(f, own, frame->repeated - link, link, frame->segment);
		if (frame->fragments)
			return unmerge(f, p->header, p->header, link, frame->segment);
		return unmerge(f, own, own, link, frame->segment);
	}
	if (mtu > own && p->total > mtu)
		return unmerge(f, own, own, link, mtu - own);
	return 0;
}

/* ---- what the key keeps ------------------------------------------------------- */

static void cut(uint8_t *address, size_t size, unsigned drop)
{
	for (; drop >= 8 && size; drop -= 8)
		address[--size] = 0;
	if (size && drop)
		address[size - 1] &= (uint8_t)(0xFF << drop);
}

/* Of a conversation's two ports the one that names the service is kept, the other becomes 0: ports from 32768 on are
 * ephemeral (RFC 6335 begins them at 49152, Linux at 32768), port 0 names nothing; of two others the lower one is the
 * service's; equal ports are both kept. */
void bpft_keep_service(struct bpft_key_tail *key)
{
	enum { EPHEMERAL = 32768 };
	uint16_t s = bpft_be16(key->sport), d = bpft_be16(key->dport);
	bool s_names = s && s < EPHEMERAL, d_names = d && d < EPHEMERAL;

	if (s == d)
		return;
	if (!s_names || (d_names && d < s))
		memset(key->sport, 0, 2);
	if (!d_names || (s_names && s < d))
		memset(key->dport, 0, 2);
}

static void reduce_key(const struct bpft_key_mode *mode, int version, struct bpft_flow *f, struct bpft_key_tail *key,
                       uint16_t vlan)
{
	if (mode->addresses_only) {
		*key = (struct bpft_key_tail){.flags = key->flags | BPFT_NO_PORTS | BPFT_NO_PROTO};
	} else if (mode->ports == BPFT_PORTS_NONE) {
		memset(key->sport, 0, 2);
		memset(key->dport, 0, 2);
		key->flags |= BPFT_NO_PORTS;
	} else if (mode->ports == BPFT_PORTS_SERVICE) {
		bpft_keep_service(key);
	}
	if (mode->vlan)
		key->vlan = vlan;
	if (version == LAYER_IP4 && mode->drop4) {
		cut(f->key.v4.src, 4, mode->drop4);
		cut(f->key.v4.dst, 4, mode->drop4);
	} else if (version == LAYER_IP6 && mode->drop6) {
		cut(f->key.v6.src, 16, mode->drop6);
		cut(f->key.v6.dst, 16, mode->drop6);
	}
}

/* ---- the frame -------------------------------------------------------------------- */

static struct bpft_fate skipped(struct bpft_fate fate, int answer)
{
	fate.skip = (uint8_t)(-1 - answer);
	return fate;
}

void bpft_decoder_link(struct bpft_decoder *dec, int linktype)
{
	dec->linktype = linktype;
	dec->first = bpft_link_find(linktype);
	bool plain = linktype == LINKTYPE_ETHERNET && !dec->key.addresses_only && !dec->key.vlan &&
	             dec->key.ports != BPFT_PORTS_NONE && !dec->key.drop4 && !dec->key.drop6;
	dec->most = !plain ? 0 : dec->mtu ? dec->mtu : UINT32_MAX;
}

struct bpft_fate bpft_decode(const struct bpft_decoder *dec, const struct bpft_frame *frame, struct bpft_flow *f)
{
	struct bpft_cursor c = {.d = frame->data, .len = frame->caplen};
	struct bpft_fate fate = {.more = bpft_untagged(frame), .dir = frame->dir};

	f->packets = 1;
	if (!dec->first)
		return skipped(fate, SKIP(LINKTYPE));
	int answer = bpft_link_walk(dec->first, &c);
	if (c.dir)
		fate.dir = c.dir;
	if (answer < 0)
		return skipped(fate, answer);
	if (c.at >= frame->caplen)
		return skipped(fate, SKIP(SHORT_IP));
	struct packet p = {
		.ip = frame->data + c.at, .captured = frame->caplen - c.at, .room = frame->wirelen - c.at,
	};
	if (p.ip[0] >> 4 != answer)
		return skipped(fate, SKIP(BAD_VERSION));
	int bad = answer == LAYER_IP4 ? ip4(&p) : ip6(&p);
	if (bad)
		return skipped(fate, bad);
	struct bpft_key_tail *key = answer == LAYER_IP4 ? &f->key.v4.tail : &f->key.v6.tail;
	if (answer == LAYER_IP4) /* source and destination, one behind the other */
		memcpy(&f->key.v4, p.ip + 12, 8);
	else
		memcpy(&f->key.v6, p.ip + 8, 32);
	*key = (struct bpft_key_tail){.proto = p.proto, .flags = fate.dir};
	uint32_t payload = p.total - p.header, l4 = transport(&p, key);
	fate.version = (uint8_t)answer;
	f->all = p.total;
	f->data = payload > l4 ? payload - l4 : 0;
	if (frame->segment || dec->mtu)
		fate.more += count_on_wire(f, &p, l4, c.at, frame, dec->mtu);
	if (frame->vlan) /* each packet had the tag that the kernel took out */
		fate.more += (f->packets - 1) * 4;
	if (dec->key.addresses_only)
		f->data = f->all - f->packets * p.header;
	reduce_key(&dec->key, answer, f, key, frame->vlan ? frame->vlan : c.vlan);
	return fate;
}
