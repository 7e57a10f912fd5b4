/* link_wifi.c - 802.11 and the radio headers before it (RULES L8). */
#include <string.h>

#include "link.h"

static int wifi(struct bpft_cursor *c, bool padded)
{
	NEED(c, c->at, 2);
	uint8_t fc = c->d[c->at], flags = c->d[c->at + 1];
	uint32_t n = 24;

	if ((fc & 0x0C) != 0x08 || fc & 0x40) /* only data frames that carry data */
		return SKIP(NON_IP);
	if (flags & 0x40)
		return SKIP(ENCRYPTED);
	if ((flags & 3) == 3) /* four addresses */
		n += 6;
	if (fc & 0x80) { /* QoS control, and HT control where the order bit is set */
		NEED(c, c->at + n, 1);
		if (c->d[c->at + n] & 0x80)
			return SKIP(A_MSDU);
		n += flags & 0x80 ? 6 : 2;
	}
	c->at += padded ? (n + 3) & ~3u : n;
	return LAYER_LLC;
}

int bpft_layer_wifi(struct bpft_cursor *c) { return wifi(c, false); }
int bpft_layer_wifi_padded(struct bpft_cursor *c) { return wifi(c, true); }

int bpft_link_radiotap(struct bpft_cursor *c)
{
	NEED(c, c->at, 6);
	uint32_t length = bpft_le16(c->d + c->at + 2);
	uint16_t present = bpft_le16(c->d + c->at + 4);
	uint32_t word = c->at + 4, field = 8; /* field: from the start of the radiotap header */
	uint8_t flags = 0;

	for (;; word += 4, field += 4) { /* presence words go on while bit 31 is set */
		NEED(c, word + 3, 1);
		if (!(c->d[word + 3] & 0x80))
			break;
	}
	if (present & 1) /* TSFT, aligned to 8 */
		field = ((field + 7) & ~7u) + 8;
	if (present & 2) {
		NEED(c, c->at + field, 1);
		flags = c->d[c->at + field];
	}
	c->at += length;
	return flags & 0x20 ? LAYER_WIFI_PADDED : LAYER_WIFI;
}

/* Prism, or AVS which announces its length behind a cookie. */
int bpft_link_prism(struct bpft_cursor *c)
{
	static const uint8_t avs[3] = {0x80, 0x21, 0x10};
	const uint8_t *p = c->d + c->at;
	uint32_t length = 144;

	if (bpft_has(c, c->at, 4) && !memcmp(p, avs, 3) && (p[3] == 1 || p[3] == 2)) {
		NEED(c, c->at, 8);
		length = bpft_be32(p + 4);
	}
	NEED(c, c->at, length);
	c->at += length;
	return LAYER_WIFI;
}

int bpft_link_ppi(struct bpft_cursor *c)
{
	NEED(c, c->at, 6);
	c->type = bpft_le16(c->d + c->at + 4);
	c->at += bpft_le16(c->d + c->at + 2);
	return LAYER_LINK;
}
