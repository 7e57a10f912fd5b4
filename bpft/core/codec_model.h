/* codec_model.h - what encoder and decoder of columns share: where fields lie in records, and the predictions. */
#ifndef BPFT_CODEC_MODEL_H
#define BPFT_CODEC_MODEL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codec.h"

struct bpft_layout {         /* offsets in a dense record of one IP version */
	int version;
	uint16_t src_id, dst_id;
	unsigned address;    /* bytes of one */
	size_t size, src, dst, sport, dport, proto, flags, vlan, packets, all, data;
};

static inline const struct bpft_layout *bpft_layout(int version)
{
#define OFFSETS(rec) \
	.size = sizeof(struct rec), .src = offsetof(struct rec, key.src), .dst = offsetof(struct rec, key.dst), \
	.sport = offsetof(struct rec, key.tail.sport), .dport = offsetof(struct rec, key.tail.dport), \
	.proto = offsetof(struct rec, key.tail.proto), .flags = offsetof(struct rec, key.tail.flags), \
	.vlan = offsetof(struct rec, key.tail.vlan), .packets = offsetof(struct rec, sums.packets), \
	.all = offsetof(struct rec, sums.all), .data = offsetof(struct rec, sums.data)
	static const struct bpft_layout v4 = { .version = 4, .src_id = BPFT_COL_SRC4, .dst_id = BPFT_COL_DST4, .address = 4,
	                                        OFFSETS(bpft_rec4) };
	static const struct bpft_layout v6 = { .version = 6, .src_id = BPFT_COL_SRC6, .dst_id = BPFT_COL_DST6, .address = 16,
	                                        OFFSETS(bpft_rec6) };
#undef OFFSETS
	return version == 4 ? &v4 : &v6;
}

/* Header bytes that a packet of this protocol (-1: not known) usually has: IP, and the least its transport takes. */
static inline unsigned bpft_usual_headers(int version, int proto)
{
	unsigned ip = version == 4 ? 20 : 40;

	switch (proto) {
	case 6:                      /* TCP */
		return ip + 20;
	case 33: case 132:           /* DCCP, SCTP */
		return ip + 12;
	case 1: case 2: case 17: case 58: case 136: /* ICMP, IGMP, UDP, ICMPv6, UDP-Lite */
		return ip + 8;
	default:
		return ip;
	}
}

/* Strided fields of 1, 2, 4 or 8 bytes in network order. */
static inline void bpft_load_big(const uint8_t *field, size_t stride, unsigned bytes, uint64_t *value, size_t rows)
{
	for (size_t i = 0; i < rows; i++, field += stride) {
		uint64_t v = 0;

		for (unsigned k = 0; k < bytes; k++)
			v = v << 8 | field[k];
		value[i] = v;
	}
}

static inline void bpft_load_u64(const uint8_t *field, size_t stride, uint64_t *value, size_t rows)
{
	for (size_t i = 0; i < rows; i++)
		memcpy(&value[i], field + i * stride, sizeof *value);
}

#endif
