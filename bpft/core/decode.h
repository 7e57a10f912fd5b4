/* decode.h - a frame becomes a summary (struct bpft_flow): its key and lengths, or why it has none. */
#ifndef BPFT_DECODE_H
#define BPFT_DECODE_H

#include <stdbool.h>

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
	uint32_t mtu;        /* > 0: larger packets were merged, if the frame does not tell; counted as on the wire (C2) */
	struct bpft_key_mode key;
	bool have_mac;       /* mac is the interface's own: it tells the direction (C5) */
	uint8_t mac[6];
};

/* Decode one frame into *flow.  Never fails: a frame without a key says why. */
void bpft_decode(struct bpft_decoder *dec, const struct bpft_frame *frame, struct bpft_flow *flow);

#endif
