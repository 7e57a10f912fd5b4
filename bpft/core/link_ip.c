/* link_ip.c - the layers that lead to IP on any link: ethertypes, LLC, NLPID, PPP, HDLC, MPLS (RULES L1..L4). */
#include "link.h"

enum {
	ET_IP4 = 0x0800, ET_IP6 = 0x86DD,
	ET_VLAN = 0x8100, ET_QINQ = 0x88A8, ET_QINQ_OLD = 0x9100, ET_QINQ_OLD2 = 0x9200,
	ET_PPPOE = 0x8864, ET_MPLS = 0x8847, ET_MPLS_MULTICAST = 0x8848,
	MAX_LENGTH_FIELD = 1500, /* up to here an 802.3 length, not an ethertype (L4) */
};

int bpft_layer_ethertype(struct bpft_cursor *c)
{
	for (;;)
		switch (c->type) {
		case ET_IP4:
			return LAYER_IP4;
		case ET_IP6:
			return LAYER_IP6;
		case ET_VLAN: case ET_QINQ: case ET_QINQ_OLD: case ET_QINQ_OLD2:
			NEED(c, c->at, 4);
			if (!c->vlan)
				c->vlan = (bpft_be16(c->d + c->at) & 0xFFF) + 1;
			c->type = bpft_be16(c->d + c->at + 2);
			c->at += 4;
			if (c->type <= MAX_LENGTH_FIELD)
				return LAYER_LLC;
			continue;
		case ET_PPPOE:
			c->at += 6;
			return LAYER_PPP;
		case ET_MPLS: case ET_MPLS_MULTICAST:
			return LAYER_MPLS;
		default:
			return SKIP(NON_IP);
		}
}

int bpft_layer_llc(struct bpft_cursor *c)
{
	NEED(c, c->at, 3);
	const uint8_t *p = c->d + c->at; /* DSAP, SSAP, control */

	if (p[2] != 3)
		return SKIP(NON_IP);
	if (p[0] == 0xAA && p[1] == 0xAA) { /* SNAP */
		if (!bpft_has(c, c->at, 6) || p[3] || p[4] || (p[5] && p[5] != 0xF8))
			return SKIP(NON_IP);
		NEED(c, c->at, 8);
		c->type = bpft_be16(p + 6);
		c->at += 8;
		return LAYER_ETHERTYPE;
	}
	c->at += 3;
	if (p[0] == 6 && p[1] == 6)
		return LAYER_IP4;
	if (p[0] == 0xFE && p[1] == 0xFE)
		return LAYER_NLPID;
	return SKIP(NON_IP);
}

int bpft_layer_nlpid(struct bpft_cursor *c)
{
	NEED(c, c->at, 1);
	const uint8_t *p = c->d + c->at++;

	switch (p[0]) {
	case 0xCC:
		return LAYER_IP4;
	case 0x8E:
		return LAYER_IP6;
	case 0xCF:
		return LAYER_PPP;
	case 0x80: /* SNAP */
		if (!bpft_has(c, c->at, 3) || p[1] || p[2] || p[3])
			return SKIP(NON_IP);
		NEED(c, c->at, 5);
		c->type = bpft_be16(p + 4);
		c->at += 5;
		return LAYER_ETHERTYPE;
	default:
		return SKIP(NON_IP);
	}
}

int bpft_layer_ppp(struct bpft_cursor *c)
{
	if (bpft_has(c, c->at, 2) && c->d[c->at] == 0xFF && c->d[c->at + 1] == 0x03)
		c->at += 2; /* HDLC address and control */
	NEED(c, c->at, 1);
	uint16_t protocol = c->d[c->at];

	if (protocol & 1) { /* compressed protocol field */
		c->at += 1;
	} else {
		NEED(c, c->at, 2);
		protocol = bpft_be16(c->d + c->at);
		c->at += 2;
	}
	switch (protocol) {
	case 0x0021:
		return LAYER_IP4;
	case 0x0057:
		return LAYER_IP6;
	case 0x0281: case 0x0283:
		return LAYER_MPLS;
	default:
		return SKIP(NON_IP);
	}
}

int bpft_layer_hdlc(struct bpft_cursor *c)
{
	NEED(c, c->at, 4);
	c->type = bpft_be16(c->d + c->at + 2);
	c->at += 4;
	return c->type <= MAX_LENGTH_FIELD ? LAYER_LLC : LAYER_ETHERTYPE;
}

int bpft_layer_mpls(struct bpft_cursor *c)
{
	bool bottom;

	do {
		NEED(c, c->at, 4);
		bottom = c->d[c->at + 2] & 1;
		c->at += 4;
	} while (!bottom);
	return LAYER_RAW;
}

int bpft_layer_raw(struct bpft_cursor *c)
{
	NEED(c, c->at, 1);
	switch (c->d[c->at] >> 4) {
	case 4:
		return LAYER_IP4;
	case 6:
		return LAYER_IP6;
	default:
		return SKIP(NON_IP);
	}
}
