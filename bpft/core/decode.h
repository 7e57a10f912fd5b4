/* decode.h - a frame becomes a summary (struct bpft_flow): its key and lengths, or why it has none. */
#ifndef BPFT_DECODE_H
#define BPFT_DECODE_H

#include <stdbool.h>
#include <string.h>

#include "flow.h"
#include "link.h"

enum bpft_ports { BPFT_PORTS_ALL, BPFT_PORTS_SERVICE, BPFT_PORTS_NONE };

struct bpft_key_mode {       /* what of a packet its key keeps; all zero: everything but the VLAN */
	bool addresses_only; /* -X (C6) */
	bool vlan;           /* the outermost 802.1Q id */
	enum bpft_ports ports;
	uint8_t drop4, drop6; /* low bits of addresses that are not kept */
};

struct bpft_decoder {        /* how a source wants its frames read */
	int linktype;        /* LINKTYPE_ value of the frames, see bpft_decoder_link() */
	bpft_layer_fn *first; /* of that link type; NULL: not entered */
	uint32_t mtu;        /* > 0: larger packets were merged, if the frame does not tell; counted as on the wire (C2) */
	uint32_t most;       /* IP bytes of a plain frame; 0: none is plain, as this is not Ethernet or keys keep less */
	struct bpft_key_mode key;
};

enum {
	BPFT_TCP = 6, BPFT_UDP = 17, BPFT_ETHER_HEADER = 14, BPFT_IP4_HEADER = 20, BPFT_IP6_HEADER = 40,
	BPFT_PLAIN = BPFT_ETHER_HEADER + BPFT_IP4_HEADER + 20 /* TCP */, /* bytes captured of a plain frame, at least */
};

/* The link type of the frames from here on; a source says it before the first, and whenever it or the MTU changes. */
void bpft_decoder_link(struct bpft_decoder *dec, int linktype);
/* Of two ports keep the service's. */
void bpft_keep_service(struct bpft_key_tail *key);
/* Decode one frame into *flow.  Never fails: the fate of a frame without a key says why. */
struct bpft_fate bpft_decode(const struct bpft_decoder *dec, const struct bpft_frame *frame, struct bpft_flow *flow);

/* Frame bytes on the wire that were not tapped: the tag that the kernel took out. */
static inline uint32_t bpft_untagged(const struct bpft_frame *frame) { return frame->vlan ? 4 : 0; }

/* The tail of a key (struct bpft_key_tail, no VLAN) as one word; ports: four bytes as they stand in the packet. */
static inline uint64_t bpft_tail_word(const uint8_t *ports, uint8_t proto, uint8_t flags)
{
	uint32_t as_read;

	memcpy(&as_read, ports, sizeof as_read);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return as_read | (uint64_t)proto << 32 | (uint64_t)flags << 40;
#else
	return (uint64_t)as_read << 32 | (uint32_t)proto << 24 | (uint32_t)flags << 16;
#endif
}

static inline uint64_t bpft_service_word(uint64_t tail)
{
	struct bpft_key_tail key;

	memcpy(&key, &tail, sizeof key);
	bpft_keep_service(&key);
	memcpy(&tail, &key, sizeof tail);
	return tail;
}

/* What most frames are, decided in few branches, as bpft_decode() would decide it: Ethernet, IPv4 without options or IPv6
 * without extensions, TCP or UDP with its whole header captured, lengths that agree, not merged, addresses and ports kept.
 * Which IP version a frame may be plain of; 0: none. */
ALWAYS_INLINE int bpft_plain_version(const struct bpft_frame *frame)
{
	if (frame->caplen < BPFT_PLAIN || frame->segment)
		return 0;
	const uint32_t begin = bpft_net32(frame->data + 12); /* ethertype, IP version and header length, traffic class */
	if ((begin & BPFT_NET32(0xFFFFFF00)) == BPFT_NET32(0x08004500))
		return 4;
	if ((begin & BPFT_NET32(0xFFFFF000)) == BPFT_NET32(0x86DD6000) &&
	    frame->caplen >= BPFT_PLAIN + BPFT_IP6_HEADER - BPFT_IP4_HEADER)
		return 6;
	return 0;
}

/* Bytes of a transport header by protocol: at least `least`, or as many as its byte 12 says, shifted right by two and
 * masked.  Of others than TCP and UDP more than a packet has. */
struct bpft_l4 { uint32_t least, mask; };
extern const struct bpft_l4 bpft_l4[256];

/* ... and its flow, with keys written by words, which are hashed next.  false: it is not plain after all. */
ALWAYS_INLINE bool bpft_decode_plain(const struct bpft_decoder *dec, const struct bpft_frame *frame, const int version,
                                     struct bpft_flow *f)
{
	const uint8_t *ip = frame->data + BPFT_ETHER_HEADER;
	const uint32_t header = version == 4 ? BPFT_IP4_HEADER : BPFT_IP6_HEADER;
	const uint32_t total = version == 4 ? bpft_be16(ip + 2) : BPFT_IP6_HEADER + bpft_be16(ip + 4);
	const uint32_t proto = version == 4 ? ip[9] : ip[6], words = version == 4 ? 1 : 4 /* of addresses */;
	const uint8_t *l4 = ip + header;
	/* Which of the two it is cannot be guessed: looked up, not branched to. */
	const uint32_t least = bpft_l4[proto].least, offset = (l4[12] >> 2) & bpft_l4[proto].mask;
	const uint32_t headers = header + (offset > least ? offset : least);
	uint64_t tail;

	if (version == 4 && bpft_net16(ip + 6) & BPFT_NET16(0x1FFF)) /* a later fragment */
		return false;
	if (total < headers || total > frame->wirelen - BPFT_ETHER_HEADER || total > dec->most)
		return false;
	tail = bpft_tail_word(l4, (uint8_t)proto, frame->dir);
	if (dec->key.ports == BPFT_PORTS_SERVICE)
		tail = bpft_service_word(tail);
	for (uint32_t i = 0; i < words; i++)
		memcpy(&f->key.word[i], l4 - 8 * (words - i), sizeof f->key.word[i]);
	f->key.word[words] = tail;
	f->packets = 1;
	f->all = total;
	f->data = total - headers;
	return true;
}

#endif
