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
	int linktype;        /* the link type `first` belongs to; -1: none yet */
	bpft_layer_fn *first;
	bool plain;          /* Ethernet, and keys keep addresses and ports: found with `first` */
	uint32_t mtu;        /* > 0: larger packets were merged, if the frame does not tell; counted as on the wire (C2) */
	struct bpft_key_mode key;
	bool have_mac;       /* mac is the interface's own: it tells the direction (C5) */
	uint8_t mac[6];
};

enum { BPFT_TCP = 6, BPFT_UDP = 17, BPFT_ETHER_HEADER = 14, BPFT_IP4_HEADER = 20, BPFT_IP6_HEADER = 40 };

/* Of two ports keep the service's; for decode.c and below. */
void bpft_keep_service(struct bpft_key_tail *key);
/* What bpft_decode() does not settle at once. */
void bpft_decode_any(struct bpft_decoder *dec, const struct bpft_frame *frame, struct bpft_flow *flow);

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

/* The transport header at l4 of a plain IP packet of `total` bytes, `header` of them before it: lengths, and the key's tail. */
static inline bool bpft_decode_transport(const struct bpft_decoder *dec, const struct bpft_frame *frame,
                                         struct bpft_flow *f, uint64_t *tail, const uint8_t *l4, uint8_t proto,
                                         uint32_t header, uint32_t total)
{
	enum { TCP = 20, UDP = 8 /* header bytes */ };
	/* Which of the two it is cannot be guessed: computed, not branched to. */
	const uint32_t offset = (l4[12] >> 4) * 4u, most = offset < TCP ? TCP : offset;
	const uint32_t tcp = 0u - (proto == BPFT_TCP), udp = 0u - (proto == BPFT_UDP);

	if (!(tcp | udp))
		return false;
	header += (most & tcp) | (UDP & udp);
	if (total < header || total > frame->wirelen - BPFT_ETHER_HEADER || (dec->mtu && total > dec->mtu))
		return false;
	*tail = bpft_tail_word(l4, proto, f->dir);
	if (dec->key.ports == BPFT_PORTS_SERVICE)
		bpft_keep_service((struct bpft_key_tail *)(void *)tail);
	f->packets = 1;
	f->all = total;
	f->data = total - header;
	return true;
}

/* What most frames are, in few branches: Ethernet, IPv4 without options or IPv6 without extensions, TCP or UDP with its
 * whole header captured, lengths that agree, not merged, addresses and ports kept.  false: anything else or any doubt; the
 * long way decides those, and would decide these alike.  Keys are written by words, which are hashed next. */
static inline bool bpft_decode_plain(const struct bpft_decoder *dec, const struct bpft_frame *frame, struct bpft_flow *f)
{
	enum { IP4 = 0x0800, IP6 = 0x86DD, L4 = 20 /* bytes looked at of a transport header */ };
	const uint8_t *ip = frame->data + BPFT_ETHER_HEADER;

	if (frame->caplen < BPFT_ETHER_HEADER + BPFT_IP4_HEADER + L4 || frame->segment)
		return false;
	uint16_t type = bpft_be16(frame->data + 12);
	if (type == IP4 && ip[0] == 0x45) {
		if (bpft_be16(ip + 6) & 0x1FFF) /* a later fragment */
			return false;
		f->version = 4;
		memcpy(f->key.word, ip + 12, 8);
		return bpft_decode_transport(dec, frame, f, &f->key.word[1], ip + BPFT_IP4_HEADER, ip[9], BPFT_IP4_HEADER,
		                             bpft_be16(ip + 2));
	}
	if (type == IP6 && ip[0] >> 4 == 6 && frame->caplen >= BPFT_ETHER_HEADER + BPFT_IP6_HEADER + L4) {
		f->version = 6;
		memcpy(f->key.word, ip + 8, 32);
		return bpft_decode_transport(dec, frame, f, &f->key.word[4], ip + BPFT_IP6_HEADER, ip[6], BPFT_IP6_HEADER,
		                             BPFT_IP6_HEADER + bpft_be16(ip + 4));
	}
	return false;
}

/* Decode one frame into *flow.  Never fails: a frame without a key says why. */
static inline void bpft_decode(struct bpft_decoder *dec, const struct bpft_frame *frame, struct bpft_flow *f)
{
	f->wire = frame->wirelen + (frame->vlan ? 4 : 0);
	f->dir = frame->dir;
	if (!f->dir && dec->have_mac && frame->caplen >= 12)
		f->dir = memcmp(frame->data + 6, dec->mac, 6) ? BPFT_DIR_RX : BPFT_DIR_TX;
	if (frame->linktype != dec->linktype || !dec->plain || !bpft_decode_plain(dec, frame, f)) {
		const struct bpft_frame copy = *frame; /* so that a plain frame need not lie in memory */
		bpft_decode_any(dec, &copy, f);
	}
}

#endif
