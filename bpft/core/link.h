/* link.h - the cursor that walks link-layer headers, and the layers it walks.
 *
 * A layer reads at c->at, moves it, and answers what stands there now: an IP
 * header (LAYER_IP4, LAYER_IP6), another layer (LAYER_*), or a reason to skip
 * (negative).  bpft_link_walk() runs them in a loop, so nesting costs no stack.
 * Rules: RULES.md L1..L10.
 */
#ifndef BPFT_LINK_H
#define BPFT_LINK_H

#include <stdbool.h>
#include <string.h>

#include "flow.h"

struct bpft_cursor {
	const uint8_t *d;  /* the captured frame */
	uint32_t len;      /* captured bytes */
	uint32_t at;       /* where the next layer starts; may lie behind len */
	uint16_t type;     /* argument of the next layer: an ethertype, a link type */
	uint8_t dir;       /* BPFT_DIR_* where a cooked header tells it */
	uint8_t nested;    /* link headers inside link headers (PPI, PKTAP) */
	uint16_t vlan;     /* outermost 802.1Q id + 1; 0: none yet */
};

typedef int bpft_layer_fn(struct bpft_cursor *c);

enum bpft_layer {
	LAYER_IP4 = 4,
	LAYER_IP6 = 6,
	LAYER_ETHERTYPE = 16, /* c->type: what stands at c->at */
	LAYER_LLC,
	LAYER_NLPID,
	LAYER_PPP,
	LAYER_HDLC,
	LAYER_MPLS,
	LAYER_RAW,
	LAYER_WIFI,
	LAYER_WIFI_PADDED,
	LAYER_LINK,           /* c->type: a link type */
	LAYER_END
};

#define SKIP(reason) (-1 - BPFT_SKIP_##reason)

static inline bool bpft_has(const struct bpft_cursor *c, uint32_t at, uint32_t n)
{
	return at <= c->len && n <= c->len - at;
}

static inline uint16_t bpft_be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint16_t bpft_le16(const uint8_t *p) { return (uint16_t)(p[1] << 8 | p[0]); }
static inline uint32_t bpft_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define BPFT_NET16(n) __builtin_bswap16(n)
#define BPFT_NET32(n) __builtin_bswap32(n)
#else
#define BPFT_NET16(n) (n)
#define BPFT_NET32(n) (n)
#endif
/* Bytes as they stand, to be compared with constants in network order, which takes less than bpft_be16() and bpft_be32(). */
static inline uint16_t bpft_net16(const uint8_t *p) { uint16_t n; return memcpy(&n, p, sizeof n), n; }
static inline uint32_t bpft_net32(const uint8_t *p) { uint32_t n; return memcpy(&n, p, sizeof n), n; }

/* Leave the layer unless n bytes are captured from `at` on. */
#define NEED(c, at, n) do { if (!bpft_has((c), (at), (n))) return SKIP(SHORT_LINK); } while (0)

/* link_ip.c: what carries IP whatever the link */
bpft_layer_fn bpft_layer_ethertype, bpft_layer_llc, bpft_layer_nlpid, bpft_layer_ppp,
	bpft_layer_hdlc, bpft_layer_mpls, bpft_layer_raw;
/* link_wifi.c */
bpft_layer_fn bpft_layer_wifi, bpft_layer_wifi_padded, bpft_link_radiotap, bpft_link_prism, bpft_link_ppi;
/* link_type.c: one row per link type */
bpft_layer_fn bpft_layer_link;
bpft_layer_fn *bpft_link_find(int linktype);   /* NULL: not entered */
size_t bpft_link_list(int *types, size_t max); /* the link types that are */

/* From the first layer to the IP header: LAYER_IP4, LAYER_IP6 or SKIP(...). */
int bpft_link_walk(bpft_layer_fn *first, struct bpft_cursor *c);

#endif
