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
	bool plain;          /* Ethernet, and keys keep addresses and ports */
	uint32_t mtu;        /* > 0: larger packets were merged, if the frame does not tell; counted as on the wire (C2) */
	struct bpft_key_mode key;
};

enum { BPFT_TCP = 6, BPFT_UDP = 17, BPFT_ETHER_HEADER = 14, BPFT_IP4_HEADER = 20, BPFT_IP6_HEADER = 40 };

/* The link type of the frames from here on; a source says it before the first, and whenever it changes. */
void bpft_decoder_link(struct bpft_decoder *dec, int linktype);
/* Of two ports keep the service's; for decode.c and below. */
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

/* What most frames are, decided in few branches, as bpft_decode() would decide it: Ethernet, IPv4 without options or IPv6
 * without extensions, TCP or UDP with its whole header captured, lengths that agree, not merged, addresses and ports kept.
 * Which IP version a frame may be plain of; 0: none. */
ALWAYS_INLINE int bpft_plain_version(const struct bpft_decoder *dec, const struct bpft_frame *frame)
{
	enum { IP4 = 0x0800, IP6 = 0x86DD, L4 = 20 /* bytes looked at of a transport header */ };
	const uint8_t *ip = frame->data + BPFT_ETHER_HEADER;

	if (!dec->plain || frame->caplen < BPFT_ETHER_HEADER + BPFT_IP4_HEADER + L4 || frame->segment)
		return 0;
	uint16_t type = bpft_be16(frame->data + 12);
	if (type == IP4 && ip[0] == 0x45)
		return 4;
	if (type == IP6 && ip[0] >> 4 == 6 && frame->caplen >= BPFT_ETHER_HEADER + BPFT_IP6_HEADER + L4)
		return 6;
	return 0;
}

/* ... and its flow, with keys written by words, which are hashed next.  false: it is not plain after all. */
ALWAYS_INLINE bool bpft_decode_plain(const struct bpft_decoder *dec, const struct bpft_frame *frame, const int version,
                                     struct bpft_flow *f)
{
	enum { TCP = 20, UDP = 8 /* header bytes */ };
	const uint8_t *ip = frame->data + BPFT_ETHER_HEADER;
	const uint32_t header = version == 4 ? BPFT_IP4_HEADER : BPFT_IP6_HEADER;
	const uint32_t total = version == 4 ? bpft_be16(ip + 2) : BPFT_IP6_HEADER + bpft_be16(ip + 4);
	const uint32_t proto = version == 4 ? ip[9] : ip[6], words = version == 4 ? 1 : 4 /* of addresses */;
	const uint8_t *l4 = ip + header;
	/* Which of the two it is cannot be guessed: computed, not branched to. */
	const uint32_t tcp = proto == BPFT_TCP, udp = proto == BPFT_UDP;
	const uint32_t offset = (l4[12] >> 4) * 4u, most = offset < TCP ? TCP : offset;
	const uint32_t headers = header + UDP + ((most - UDP) & (0u - tcp));

	if (version == 4 && bpft_be16(ip + 6) & 0x1FFF) /* a later fragment */
		return false;
	if (!(tcp | udp) || total < headers || total > frame->wirelen - BPFT_ETHER_HEADER || (dec->mtu && total > dec->mtu))
		return false;
	memcpy(f->key.word, l4 - 8 * words, 8 * words);
	f->key.word[words] = bpft_tail_word(l4, (uint8_t)proto, frame->dir);
	if (dec->key.ports == BPFT_PORTS_SERVICE)
		bpft_keep_service((struct bpft_key_tail *)(void *)&f->key.word[words]);
	f->packets = 1;
	f->all = total;
	f->data = total - headers;
	return true;
}

#endif
