/* capture_ring.c - the engine that reads a packet socket's ring itself (Linux packet(7), TPACKET_V3).
 *
 * With PACKET_VNET_HDR the kernel says of each frame whether it was merged, and from
 * segments of what size: so packets and bytes are counted exactly as on the wire (C2).
 * libpcap compiles the filter, the kernel runs it.
 */
#include "capture_live.h"

#ifdef __linux__

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	/* Bytes the kernel fills before it hands them over, or sooner by its timer.  Large ones are read with fewer wake-ups
	 * and behind the CPU that writes; many of them hold what comes while nobody reads, since the timer ends one at a time. */
	LEAST_BLOCK = 1 << 18, MOST_BLOCK = 1 << 20,
	BLOCKS = 64,         /* for larger ones there must be so many */
	FRAME = 2048,        /* the ring wants a frame size that divides blocks; frames are packed all the same */
	LOOK_AGAIN_MS = 500, /* at a link that went down: whether it was deleted meanwhile */
	SLACK_MS = 20,       /* the kernel's block timer ticks coarsely */
	ETH_P_EVERY = 0x0003,
	RAW_IP = 519,        /* ARPHRD_RAWIP, which libc's header does not have */
	GSO_UDP_L4 = 5,      /* VIRTIO_NET_HDR_GSO_UDP_L4, the same */
};

struct ring_engine {
	struct bpft_engine base;
	char interface[IFNAMSIZ];
	int ifindex, snaplen, timeout_ms;
	int64_t over_ms;     /* monotonic: when the last frames of an interface that is gone have been handed over; 0: it is there */
	bool loopback;       /* every frame passes twice, out and in: the first is left out */
	uint8_t *ring;
	size_t size;         /* bytes, blocks * block_size */
	unsigned block_size, blocks, at; /* at: the block in hand, or the next */
	uint32_t left;       /* frames of it not yet looked at */
	bool open;           /* it is ours until it is given back */
	const uint8_t *next; /* frame header */
};

static struct ring_engine *of(struct bpft_engine *e) { return (struct ring_engine *)(void *)e; }

static struct tpacket_block_desc *block(const struct ring_engine *r)
{
	return (struct tpacket_block_desc *)(void *)(r->ring + (size_t)r->at * r->block_size);
}

/* ---- frames ------------------------------------------------------------------- */

/* Bytes from the frame's start that each packet of a merged one begins with: up to the end of the innermost transport
 * header, which begins where the checksum does that is still to be made.  0: not told, or not among the captured bytes. */
static uint16_t repeated(const struct virtio_net_hdr *merged, const struct bpft_frame *frame)
{
	enum { UDP = 8, TCP = 20, MOST_TCP = 60, OFFSET = 12 };
	uint32_t at = merged->csum_start, length = TCP;

	if (!(merged->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || at >= frame->caplen)
		return 0;
	if ((merged->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == GSO_UDP_L4)
		length = UDP;
	else if (at + OFFSET < frame->caplen)
		length = (frame->data[at + OFFSET] >> 4) * 4u;
	else if (merged->hdr_len > at + TCP && merged->hdr_len <= at + MOST_TCP) /* behind two IPv6 headers; a hint */
		length = merged->hdr_len - at;
	return (uint16_t)(at + length);
}

/* What the kernel says of a frame beside its bytes; false: it is to be left out. */
static bool take(const struct ring_engine *r, const uint8_t *at, struct bpft_frame *frame)
{
	const struct tpacket3_hdr *h = (const void *)at;
	const struct sockaddr_ll *from = (const void *)(at + TPACKET_ALIGN(sizeof *h));
	struct virtio_net_hdr merged;

	/* A merged frame that the virtio header has no word for (SCTP, UDP fragments) is dropped when it has its place in
	 * the block already: what stands there is what stood there before.  It is among the drops. */
	if (!(h->tp_status & TP_STATUS_USER))
		return false;
	if (r->loopback && from->sll_pkttype == PACKET_OUTGOING)
		return false;
	memcpy(&merged, at + h->tp_mac - sizeof merged, sizeof merged);
	*frame = (struct bpft_frame){
		.data = at + h->tp_mac, .caplen = h->tp_snaplen,
		.wirelen = h->tp_len > h->tp_snaplen ? h->tp_len : h->tp_snaplen,
		.ns = (int64_t)h->tp_sec * 1000000000 + h->tp_nsec, .linktype = r->base.linktype,
	};
	if (r->loopback)
		frame->dir = bpft_engine_direction(&r->base, frame->data, frame->caplen);
	else
		frame->dir = from->sll_pkttype == PACKET_OUTGOING ? BPFT_DIR_TX : BPFT_DIR_RX;
	if (h->tp_status & TP_STATUS_VLAN_VALID)
		frame->vlan = (uint16_t)((h->hv1.tp_vlan_tci & 0xFFF) + 1);
	if (merged.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		frame->segment = merged.gso_size;
		frame->fragments = (merged.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_UDP;
		frame->repeated = repeated(&merged, frame);
	}
	return true;
}

/* The next block is ours to read, if the kernel has filled it. */
static bool open_block(struct ring_engine *r)
{
	struct tpacket_block_desc *b = block(r);

	if (!(__atomic_load_n(&b->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return false;
	r->open = true;
	r->left = b->hdr.bh1.num_pkts;
	r->next = (const uint8_t *)b + b->hdr.bh1.offset_to_first_pkt;
	return true;
}

static void close_block(struct ring_engine *r)
{
	__atomic_store_n(&block(r)->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	r->open = false;
	r->at = (r->at + 1) % r->blocks;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The kernel unbinds the socket of an interface that is gone, whatever has its name or its index by now. */
static bool is_gone(const struct ring_engine *r)
{
	struct sockaddr_ll bound = {0};
	socklen_t length = sizeof bound;

	return getsockname(r->base.fd, (struct sockaddr *)(void *)&bound, &length) || bound.sll_ifindex != r->ifindex;
}

/* A socket error is a link that went down, or an interface that is gone: -1, once the kernel's timer has handed over the
 * block that was begun. */
static int look_at_link(struct ring_engine *r)
{
	char name[IFNAMSIZ];
	int error = 0;
	socklen_t length = sizeof error;
	struct ifreq request = {0};

	getsockopt(r->base.fd, SOL_SOCKET, SO_ERROR, &error, &length);
	if (r->over_ms)
		return now_ms() < r->over_ms ? 0 : -1;
	if (!error && !r->base.look_again_ms)
		return 0;
	if (is_gone(r)) {
		snprintf(r->base.error, sizeof r->base.error, "The interface disappeared");
		r->base.look_again_ms = r->timeout_ms + SLACK_MS;
		r->over_ms = now_ms() + r->base.look_again_ms;
		return 0;
	}
	bool up = if_indextoname((unsigned)r->ifindex, name) != NULL;
	if (up) {
		memcpy(request.ifr_name, name, sizeof name);
		up = !ioctl(r->base.fd, SIOCGIFFLAGS, &request) && request.ifr_flags & IFF_UP;
	}
	r->base.look_again_ms = up ? 0 : LOOK_AGAIN_MS;
	return 0;
}

static int dispatch(struct bpft_engine *e, struct bpft_meter *meter, int burst)
{
	struct ring_engine *r = of(e);
	struct bpft_frame frame;
	int n = 0;

	while (n < burst) {
		if (!r->open && !open_block(r))
			break;
		if (!r->left) {
			close_block(r);
			continue;
		}
		const uint8_t *at = r->next;
		r->next = at + ((const struct tpacket3_hdr *)(const void *)at)->tp_next_offset;
		r->left--;
		bpft_fetch(at + BPFT_LIVE_AHEAD, (size_t)(r->next - at), BPFT_FIRST_LEVEL);
		if (take(r, at, &frame)) {
			bpft_meter_live(meter, &frame);
			n++;
		}
	}
	if (r->open && !r->left)
		close_block(r);
	return n ? n : look_at_link(r);
}

static void read_stats(struct bpft_engine *e)
{
	struct tpacket_stats_v3 now; /* since it was read before */
	socklen_t length = sizeof now;

	if (getsockopt(e->fd, SOL_PACKET, PACKET_STATISTICS, &now, &length))
		return;
	e->stats.received += now.tp_packets;
	e->stats.dropped += now.tp_drops;
}

/* ---- the filter ------------------------------------------------------------------ */

/* libpcap writes the program for a handle that is open on this interface, so one is opened for as long.  Without an
 * expression none is: an interface that went down meanwhile refuses it, and the socket would never be bound. */
static int compile(struct bpft_engine *e, struct bpf_program *program, const char *expression, bool optimize,
                   char error[BPFT_ERROR])
{
	struct bpft_live_options o = {.snaplen = of(e)->snaplen, .timeout_ms = 1000, .buffer_bytes = BPFT_MIN_BUFFER};
	int status;

	if (!expression[0])
		return bpft_filter_compile(program, expression, e->linktype, o.snaplen, optimize, error);
	struct bpft_engine *p = bpft_engine_pcap(of(e)->interface, &o, &status, error);

	if (!p)
		return -1;
	int bad = p->ops->compile(p, program, expression, optimize, error);
	p->ops->close(p);
	return bad;
}

static int attach(struct bpft_engine *e, struct bpf_program *program, char error[BPFT_ERROR])
{
	struct sock_fprog filter = {
		.len = (unsigned short)program->bf_len, .filter = (struct sock_filter *)(void *)program->bf_insns,
	};
	struct sockaddr_ll where = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_EVERY), .sll_ifindex = of(e)->ifindex,
	};

	/* Bound only now: no frame arrives that the filter has not seen. */
	if (!setsockopt(e->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter)
	    && !bind(e->fd, (const struct sockaddr *)(const void *)&where, sizeof where))
		return 0;
	snprintf(error, BPFT_ERROR, "the kernel refuses the filter: %s", strerror(errno));
	return -1;
}

/* ---- opening --------------------------------------------------------------------- */

static void end(struct bpft_engine *e)
{
	struct ring_engine *r = of(e);

	if (r->ring)
		munmap(r->ring, r->size);
	if (e->fd >= 0)
		close(e->fd);
	free(r);
}

static const struct bpft_engine_ops ops = {
	.name = "ring", .exact = true, .compile = compile, .attach = attach, .dispatch = dispatch,
	.read_stats = read_stats, .close = end,
};

/* The largest ring that memory allows; false: none. */
static bool map_ring(struct ring_engine *r, const struct bpft_live_options *o)
{
	for (size_t bytes = (size_t)o->buffer_bytes; bytes >= BPFT_MIN_BUFFER; bytes /= 2) {
		r->block_size = LEAST_BLOCK;
		while (r->block_size < MOST_BLOCK && bytes / r->block_size >= 2 * BLOCKS)
			r->block_size *= 2;
		r->blocks = (unsigned)(bytes / r->block_size);
		r->size = (size_t)r->blocks * r->block_size;
		struct tpacket_req3 want = {
			.tp_block_size = r->block_size, .tp_block_nr = r->blocks, .tp_frame_size = FRAME,
			.tp_frame_nr = (unsigned)(r->size / FRAME), .tp_retire_blk_tov = (unsigned)o->timeout_ms,
		};
		if (setsockopt(r->base.fd, SOL_PACKET, PACKET_RX_RING, &want, sizeof want)) {
			if (errno != ENOMEM)
				return false;
			continue;
		}
		r->ring = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->base.fd, 0);
		if (r->ring == MAP_FAILED)
			r->ring = NULL;
		return r->ring != NULL;
	}
	return false;
}

/* Ethernet and loopback frames begin with an Ethernet header; tunnels without a header with IP.  -1: libpcap knows better. */
static int linktype_of(int hardware_type)
{
	switch (hardware_type) {
	case ARPHRD_ETHER: case ARPHRD_LOOPBACK:
		return DLT_EN10MB;
	case ARPHRD_NONE: case RAW_IP:
		return DLT_RAW;
	default:
		return -1;
	}
}

static bool set_up(struct ring_engine *r, const struct bpft_live_options *o, char error[BPFT_ERROR])
{
	struct packet_mreq promiscuous = {.mr_ifindex = r->ifindex, .mr_type = PACKET_MR_PROMISC};
	int version = TPACKET_V3, on = 1;
	const char *failed = NULL;

	if (setsockopt(r->base.fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version))
		failed = "TPACKET_V3";
	else if (setsockopt(r->base.fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on))
		failed = "PACKET_VNET_HDR";
	else if (!map_ring(r, o))
		failed = "a packet ring";
	else if (o->promiscuous && setsockopt(r->base.fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous))
		failed = "promiscuous mode";
#ifdef PACKET_IGNORE_OUTGOING
	if (!failed && r->loopback) /* so that its own figures count each frame once; before Linux 4.20 take() alone does */
		setsockopt(r->base.fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
#endif
	if (failed)
		snprintf(error, BPFT_ERROR, "the kernel refuses %s: %s", failed, strerror(errno));
	return !failed;
}

/* Does libpcap see this interface as we do?  (It knows DSA tags, monitor modes and other special cases.) */
static bool as_libpcap(struct ring_engine *r, int *status, char error[BPFT_ERROR])
{
	struct bpft_live_options o = {.snaplen = r->snaplen, .timeout_ms = 1000, .buffer_bytes = BPFT_MIN_BUFFER};
	struct bpft_engine *p = bpft_engine_pcap(r->interface, &o, status, error);

	if (!p)
		return false;
	bool same = p->linktype == r->base.linktype;
	p->ops->close(p);
	if (!same)
		snprintf(error, BPFT_ERROR, "its link type %d is left to libpcap", p->linktype);
	return same;
}

struct bpft_engine *bpft_engine_ring(const char *interface, const struct bpft_live_options *o, int *status,
                                     char error[BPFT_ERROR])
{
	struct ring_engine *r = calloc(1, sizeof *r);
	struct ifreq request = {0};

	*status = PCAP_ERROR;
	if (!r || strlen(interface) >= sizeof r->interface) {
		snprintf(error, BPFT_ERROR, r ? "no interface has so long a name" : "no memory");
		free(r);
		return NULL;
	}
	memcpy(r->interface, interface, strlen(interface));
	memcpy(request.ifr_name, r->interface, sizeof r->interface);
	r->snaplen = o->snaplen;
	r->timeout_ms = o->timeout_ms;
	r->base.ops = &ops;
	r->base.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->base.fd < 0) {
		*status = errno == EPERM || errno == EACCES ? PCAP_ERROR_PERM_DENIED : PCAP_ERROR;
		snprintf(error, BPFT_ERROR, "a packet socket: %s", strerror(errno));
		free(r);
		return NULL;
	}
	r->ifindex = (int)if_nametoindex(interface);
	if (!r->ifindex)
		*status = PCAP_ERROR_NO_SUCH_DEVICE;
	if (!r->ifindex || ioctl(r->base.fd, SIOCGIFHWADDR, &request)) {
		snprintf(error, BPFT_ERROR, "%s", r->ifindex ? strerror(errno) : "it is no single interface of this system");
		end(&r->base);
		return NULL;
	}
	r->loopback = request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
	r->base.linktype = linktype_of(request.ifr_hwaddr.sa_family);
	if (r->base.linktype < 0)
		snprintf(error, BPFT_ERROR, "its kind of link is left to libpcap");
	if (r->base.linktype < 0 || !as_libpcap(r, status, error) || !set_up(r, o, error)) {
		end(&r->base);
		return NULL;
	}
	r->base.buffer = (int)r->size;
	return &r->base;
}

#else

#include <stdio.h>

struct bpft_engine *bpft_engine_ring(const char *interface, const struct bpft_live_options *o, int *status,
                                     char error[BPFT_ERROR])
{
	(void)interface;
	(void)o;
	*status = PCAP_ERROR;
	snprintf(error, BPFT_ERROR, "there is no packet ring on this system");
	return NULL;
}

#endif
