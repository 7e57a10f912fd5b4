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

enum { BPFT_TCP = 6, BPFT_UDP = 17, BPFT_IP4_HEADER = 20, BPFT_IP6_HEADER = 40 };

/* Of two ports keep the service's; for decode.c and below. */
void bpft_keep_service(struct bpft_key_tail *key);
/* What bpft_decode() does not settle at once. */
void bpft_decode_any(struct bpft_decoder *dec, const struct bpft_frame *frame, struct bpft_flow *flow);

/* What most frames are, in few branches: Ethernet, IPv4 without options or IPv6 without extensions, TCP or UDP with its
 * whole header captured, lengths that agree, not merged, addresses and ports kept.  false: anything else or any doubt; the
 * long way decides those, and would decide these alike. */
static inline bool bpft_decode_plain(const struct bpft_decoder *dec, const struct bpft_frame *frame, struct bpft_flow *f)
{
	enum { ETHER = 14, IP4 = 0x0800, IP6 = 0x86DD, TCP = 20, UDP = 8 /* header bytes */ };
	const uint8_t *ip = frame->data + ETHER, *l4;
	struct bpft_key_tail *tail;
	uint32_t header, total;

	if (frame->caplen < ETHER + BPFT_IP4_HEADER + TCP || frame->segment)
		return false;
	uint16_t type = bpft_be16(frame->data + 12);
	if (type == IP4 && ip[0] == 0x45) {
		total = bpft_be16(ip + 2);
		if (bpft_be16(ip + 6) & 0x1FFF)
			return false;
		f->version = 4;
		memcpy(&f->key.v4, ip + 12, 8);
		tail = &f->key.v4.tail;
		tail->proto = ip[9];
		header = BPFT_IP4_HEADER;
	} else if (type == IP6 && ip[0] >> 4 == 6 && frame->caplen >= ETHER + BPFT_IP6_HEADER + TCP) {
		total = BPFT_IP6_HEADER + bpft_be16(ip + 4);
		f->version = 6;
		memcpy(&f->key.v6, ip + 8, 32);
		tail = &f->key.v6.tail;
		tail->proto = ip[6];
		header = BPFT_IP6_HEADER;
	} else {
		return false;
	}
	l4 = ip + header;
	const bool tcp = tail->proto == BPFT_TCP;
	const uint32_t offset = (l4[12] >> 4) * 4u, most = offset < TCP ? TCP : offset;
	if (!tcp && tail->proto != BPFT_UDP)
		return false;
	header += tcp ? most : UDP; /* chosen, not branched to: which it is cannot be guessed */
	if (total < header || total > frame->wirelen - ETHER || (dec->mtu && total > dec->mtu))
		return false;
	memcpy(tail, l4, 4);
	tail->flags = f->dir;
	tail->vlan = 0;
	if (dec->key.ports == BPFT_PORTS_SERVICE)
		bpft_keep_service(tail);
	f->packets = 1;
	f->all = total;
	f->data = total - header;
	return true;
}

/* Decode one frame into *flow.  Never fails: a frame without a key says why. */
static inline void bpft_decode(struct bpft_decoder *dec, const struct bpft_frame *frame, struct bpft_flow *f)
{
	f->wirelen = frame->wirelen;
	f->wire = frame->wirelen + (frame->vlan ? 4 : 0);
	f->dir = frame->dir;
	if (!f->dir && dec->have_mac && frame->caplen >= 12)
		f->dir = memcmp(frame->data + 6, dec->mac, 6) ? BPFT_DIR_RX : BPFT_DIR_TX;
	if (frame->linktype != dec->linktype || !dec->plain || !bpft_decode_plain(dec, frame, f))
		bpft_decode_any(dec, frame, f);
}

#endif
