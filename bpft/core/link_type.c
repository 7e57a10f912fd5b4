/* link_type.c - one row per link type: where its first layer is (RULES L4..L9), and the walk to IP. */
#include "link.h"

static int ether(struct bpft_cursor *c)
{
	NEED(c, c->at, 14);
	c->type = bpft_be16(c->d + c->at + 12);
	c->at += 14;
	if (c->type == 0x0800)
		return LAYER_IP4;
	return c->type <= 1500 ? LAYER_LLC : LAYER_ETHERTYPE;
}

static int ppp_serial(struct bpft_cursor *c)
{
	NEED(c, c->at, 1);
	return c->d[c->at] == 0x0F || c->d[c->at] == 0x8F ? LAYER_HDLC : LAYER_PPP;
}

/* An address family number at hand: BSD's 2 is IPv4, six systems number IPv6 differently (L6). */
static int family(struct bpft_cursor *c, uint32_t af)
{
	(void)c;
	switch (af) {
	case 2:
		return LAYER_IP4;
	case 10: case 23: case 24: case 26: case 28: case 30:
		return LAYER_IP6;
	default:
		return SKIP(NON_IP);
	}
}

static int null(struct bpft_cursor *c)
{
	NEED(c, c->at, 4);
	uint32_t be = bpft_be32(c->d + c->at), le = __builtin_bswap32(be);

	c->at += 4;
	return family(c, be < le ? be : le);
}

static int enc(struct bpft_cursor *c)
{
	uint32_t start = c->at;
	int next = null(c);

	if (next > 0) {
		NEED(c, start, 12);
		c->at = start + 12;
	}
	return next;
}

static int pflog(struct bpft_cursor *c)
{
	NEED(c, c->at, 2);
	uint8_t length = c->d[c->at], af = c->d[c->at + 1];

	c->at += (length + 3u) & ~3u;
	return family(c, af);
}

static int nflog(struct bpft_cursor *c)
{
	NEED(c, c->at, 1);
	uint8_t af = c->d[c->at];

	for (c->at += 4; bpft_has(c, c->at, 4);) { /* attributes: length, type */
		uint32_t length = bpft_le16(c->d + c->at), type = bpft_le16(c->d + c->at + 2);

		if (type == 9) { /* the packet */
			c->at += 4;
			return family(c, af);
		}
		if (length < 4)
			break;
		c->at += (length + 3) & ~3u;
	}
	return SKIP(NON_IP);
}

static int ipnet(struct bpft_cursor *c)
{
	NEED(c, c->at, 2);
	uint8_t af = c->d[c->at + 1];

	c->at += 24;
	return family(c, af);
}

/* Packet type 4 of Linux cooked headers is outgoing (C5). */
static uint8_t cooked_dir(unsigned pkttype) { return pkttype == 4 ? BPFT_DIR_TX : BPFT_DIR_RX; }

/* Linux cooked: ARPHRD type and protocol. */
static int cooked(struct bpft_cursor *c, uint16_t arphrd, uint16_t protocol)
{
	if (arphrd == 824) /* netlink: the protocol is no ethertype */
		return SKIP(NON_IP);
	if (protocol == 4)
		return LAYER_LLC;
	c->type = protocol;
	return LAYER_ETHERTYPE;
}

static int sll(struct bpft_cursor *c)
{
	NEED(c, c->at, 16);
	const uint8_t *p = c->d + c->at;

	c->at += 16;
	c->dir = cooked_dir(bpft_be16(p));
	return cooked(c, bpft_be16(p + 2), bpft_be16(p + 14));
}

static int sll2(struct bpft_cursor *c)
{
	NEED(c, c->at, 10);
	const uint8_t *p = c->d + c->at;

	if (bpft_has(c, c->at, 11))
		c->dir = cooked_dir(p[10]);
	c->at += 20;
	return cooked(c, bpft_be16(p + 8), bpft_be16(p));
}

static int frelay(struct bpft_cursor *c)
{
	do /* Q.922 address: the EA bit ends it */
		NEED(c, c->at, 1);
	while (!(c->d[c->at++] & 1));
	NEED(c, c->at, 1);
	if (c->d[c->at] != 3) { /* Cisco encapsulation: an ethertype */
		NEED(c, c->at, 2);
		c->type = bpft_be16(c->d + c->at);
		c->at += 2;
		return LAYER_ETHERTYPE;
	}
	c->at += 1;
	NEED(c, c->at, 1);
	if (c->d[c->at] == 0) /* pad */
		c->at += 1;
	return LAYER_NLPID;
}

static int fddi(struct bpft_cursor *c)
{
	NEED(c, c->at, 1);
	if ((c->d[c->at] & 0xF0) != 0x50)
		return SKIP(NON_IP);
	c->at += 13;
	return LAYER_LLC;
}

static int token_ring(struct bpft_cursor *c)
{
	NEED(c, c->at, 2);
	if (c->d[c->at + 1] >> 6 != 1)
		return SKIP(NON_IP);
	NEED(c, c->at, 9);
	uint32_t n = 14;

	if (c->d[c->at + 8] & 0x80) { /* source routed */
		NEED(c, c->at, 15);
		n += c->d[c->at + 14] & 0x1F;
	}
	c->at += n;
	return LAYER_LLC;
}

static int clip(struct bpft_cursor *c)
{
	const uint8_t *p = c->d + c->at;

	return bpft_has(c, c->at, 3) && p[0] == 0xAA && p[1] == 0xAA && p[2] == 3 ? LAYER_LLC : LAYER_RAW;
}

static int sunatm(struct bpft_cursor *c)
{
	NEED(c, c->at, 1);
	if ((c->d[c->at] & 0x0F) != 2)
		return SKIP(NON_IP);
	c->at += 4;
	return LAYER_LLC;
}

static int arcnet_linux(struct bpft_cursor *c)
{
	NEED(c, c->at, 5);
	switch (c->d[c->at + 4]) {
	case 212:
		c->at += 8;
		return LAYER_IP4;
	case 196:
		c->at += 8;
		return LAYER_IP6;
	case 240:
		c->at += 5;
		return LAYER_IP4;
	default:
		return SKIP(NON_IP);
	}
}

static int pktap(struct bpft_cursor *c)
{
	NEED(c, c->at, 10);
	c->type = bpft_le16(c->d + c->at + 8);
	c->at += bpft_le16(c->d + c->at);
	return LAYER_LINK;
}

static int ipoib(struct bpft_cursor *c)
{
	NEED(c, c->at, 42);
	c->type = bpft_be16(c->d + c->at + 40);
	c->at += 44;
	return LAYER_ETHERTYPE;
}

static int ieee1394(struct bpft_cursor *c)
{
	NEED(c, c->at, 18);
	c->type = bpft_be16(c->d + c->at + 16);
	c->at += 18;
	return LAYER_ETHERTYPE;
}

/* Links that are n bytes before a layer. */
static int slip(struct bpft_cursor *c) { c->at += 16; return LAYER_RAW; }
static int pppoe(struct bpft_cursor *c) { c->at += 6; return LAYER_PPP; }
static int pppd(struct bpft_cursor *c) { c->at += 2; return LAYER_PPP; }
static int ppp_dir(struct bpft_cursor *c) { c->at += 1; return LAYER_PPP; }
static int hdlc_dir(struct bpft_cursor *c) { c->at += 1; return LAYER_HDLC; }
static int ip_over_fc(struct bpft_cursor *c) { c->at += 16; return LAYER_LLC; }
static int ip4_only(struct bpft_cursor *c) { (void)c; return LAYER_IP4; }
static int ip6_only(struct bpft_cursor *c) { (void)c; return LAYER_IP6; }

/* Numbers are LINKTYPE_ values of pcap-linktype(7); where a DLT_ differs (raw, RFC 1483, CLIP) both have a row. */
static bpft_layer_fn *const links[] = {
	[0] = null,
	[1] = ether,
	[6] = token_ring,
	[8] = slip,
	[9] = ppp_serial,
	[10] = fddi,
	[11] = bpft_layer_llc, [100] = bpft_layer_llc,
	[12] = bpft_layer_raw, [14] = bpft_layer_raw, [101] = bpft_layer_raw,
	[19] = clip, [106] = clip,
	[50] = ppp_serial,
	[51] = pppoe,
	[104] = bpft_layer_hdlc,
	[105] = bpft_layer_wifi,
	[107] = frelay,
	[108] = null,
	[109] = enc,
	[113] = sll,
	[117] = pflog,
	[119] = bpft_link_prism, [163] = bpft_link_prism,
	[122] = ip_over_fc,
	[123] = sunatm,
	[127] = bpft_link_radiotap,
	[129] = arcnet_linux,
	[138] = ieee1394,
	[166] = pppd,
	[192] = bpft_link_ppi,
	[204] = ppp_dir,
	[205] = hdlc_dir,
	[219] = bpft_layer_mpls,
	[226] = ipnet,
	[228] = ip4_only,
	[229] = ip6_only,
	[239] = nflog,
	[242] = ipoib,
	[258] = pktap,
	[276] = sll2,
};
enum { NLINKS = sizeof links / sizeof *links };

bpft_layer_fn *bpft_link_find(int linktype)
{
	return linktype >= 0 && linktype < NLINKS ? links[linktype] : NULL;
}

size_t bpft_link_list(int *types, size_t max)
{
	size_t n = 0;

	for (int i = 0; i < NLINKS && n < max; i++)
		if (links[i])
			types[n++] = i;
	return n;
}

int bpft_layer_link(struct bpft_cursor *c)
{
	bpft_layer_fn *link = bpft_link_find(c->type);

	if (!link)
		return SKIP(LINKTYPE);
	if (c->nested++ == 3) /* a header of no length that names itself */
		return SKIP(NON_IP);
	return link(c);
}

int bpft_link_walk(bpft_layer_fn *first, struct bpft_cursor *c)
{
	static bpft_layer_fn *const layers[LAYER_END - LAYER_ETHERTYPE] = {
		[LAYER_ETHERTYPE - LAYER_ETHERTYPE] = bpft_layer_ethertype,
		[LAYER_LLC - LAYER_ETHERTYPE] = bpft_layer_llc,
		[LAYER_NLPID - LAYER_ETHERTYPE] = bpft_layer_nlpid,
		[LAYER_PPP - LAYER_ETHERTYPE] = bpft_layer_ppp,
		[LAYER_HDLC - LAYER_ETHERTYPE] = bpft_layer_hdlc,
		[LAYER_MPLS - LAYER_ETHERTYPE] = bpft_layer_mpls,
		[LAYER_RAW - LAYER_ETHERTYPE] = bpft_layer_raw,
		[LAYER_WIFI - LAYER_ETHERTYPE] = bpft_layer_wifi,
		[LAYER_WIFI_PADDED - LAYER_ETHERTYPE] = bpft_layer_wifi_padded,
		[LAYER_LINK - LAYER_ETHERTYPE] = bpft_layer_link,
	};
	int next = first(c);

	while (next >= LAYER_ETHERTYPE)
		next = layers[next - LAYER_ETHERTYPE](c);
	return next;
}
