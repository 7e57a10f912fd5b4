"""Namespaces joined by veth pairs, kept silent, and senders of exactly known traffic between them."""

import ctypes
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

#: src, sport, dst, dport, proto -> packets, all, data
Key = tuple[str, int, str, int, int]
Sums = dict[Key, tuple[int, int, int]]

QUIET = ("accept_ra=0", "autoconf=0", "router_solicitations=0", "accept_dad=0", "dad_transmits=0", "addr_gen_mode=1")
OFFLOADS = ("tx", "rx", "sg", "tso", "gso", "gro")
UDP_PORT, TCP_PORT = 9000, 9100
#: A /sys of its own shows a namespace's own interfaces.  Private, so that no other mount namespace sees it; and not
#: the whole tree, which cannot be made private in a chroot.
UNSHARE = ("unshare", "--net", "--mount", "--propagation", "unchanged", "sh", "-c")
OWN_SYS = "mount --make-private /sys && mount -t sysfs sysfs /sys"


def obstacle() -> str:
    """Why namespaces cannot be used here; empty where they can."""
    if os.geteuid() != 0:
        return "system tests need root"
    missing = [tool for tool in ("ip", "ethtool", "tcpdump", "nsenter", "unshare") if not shutil.which(tool)]
    if missing:
        return f"system tests need {', '.join(missing)}"
    script = f"{OWN_SYS} && ip link add x0 type veth peer name x1"
    probe = subprocess.run([*UNSHARE, script], capture_output=True, text=True)
    return f"system tests need network namespaces: {probe.stderr.strip()}" if probe.returncode else ""


class Namespace:
    """A network namespace, with a /sys of its own; it lives as long as its one sleeping process."""

    def __init__(self) -> None:
        settings = " && ".join(
            f"echo {value} >/proc/sys/net/ipv6/conf/{scope}/{name}"
            for scope in ("all", "default")
            for name, value in (setting.split("=") for setting in QUIET)
        )
        script = f"{OWN_SYS} && {settings} && ip link set lo up && echo ready && exec sleep infinity"
        self._process = subprocess.Popen([*UNSHARE, script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout and self._process.stdout.readline() == b"ready\n"

    @property
    def pid(self) -> int:
        return self._process.pid

    def command(self, *words: str | Path) -> list[str]:
        """The command line that runs words inside."""
        return ["nsenter", "-t", str(self.pid), "-n", "-m", "-r", "-w", "--", *map(str, words)]

    def run(self, *words: str | Path) -> str:
        return subprocess.run(self.command(*words), check=True, capture_output=True, text=True).stdout

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread's network is the namespace's meanwhile; sockets made here stay in it."""
        with Path("/proc/thread-self/ns/net").open() as home, Path(f"/proc/{self.pid}/ns/net").open() as there:
            self._set(there.fileno())
            try:
                yield
            finally:
                self._set(home.fileno())

    @staticmethod
    def _set(descriptor: int) -> None:
        if _libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def socket(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        with self.entered():
            return socket.socket(family, kind, protocol)

    def observe(self, interface: str, capture: Path) -> "Observer":
        return Observer(self, interface, capture)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


class Observer:
    """tcpdump on an interface: the second opinion."""

    def __init__(self, namespace: Namespace, interface: str, capture: Path) -> None:
        self._capture = capture
        words = (
            "tcpdump",
            "-Z",
            "root",
            "-B",
            "16384",
            "-s",
            "96",
            "-U",
            "--immediate-mode",
            "-ni",
            interface,
            "-w",
            str(capture),
        )
        self._process = subprocess.Popen(namespace.command(*words), stderr=subprocess.PIPE)
        assert self._process.stderr and b"listening" in self._process.stderr.readline()

    def close(self) -> None:
        self._process.terminate()
        self._process.communicate()

    def ipv4(self) -> dict[Key, tuple[int, int]]:
        """Packets and IP bytes of each TCP or UDP key over IPv4: the total length fields, added up."""
        content, at = self._capture.read_bytes(), 24
        sums: dict[Key, tuple[int, int]] = {}
        while at < len(content):
            captured = int.from_bytes(content[at + 8 : at + 12], sys.byteorder)
            ip = content[at + 16 + 14 : at + 16 + captured]
            at += 16 + captured
            sport, dport = struct.unpack_from(">HH", ip, 4 * (ip[0] & 15))
            key = (socket.inet_ntoa(ip[12:16]), sport, socket.inet_ntoa(ip[16:20]), dport, ip[9])
            packets, total = sums.get(key, (0, 0))
            sums[key] = (packets + 1, total + int.from_bytes(ip[2:4], "big"))
        return sums


@dataclass(frozen=True)
class End:
    """One end of a link."""

    namespace: Namespace
    link: int
    side: int

    @property
    def interface(self) -> str:
        return f"bt{2 * self.link + self.side}"

    @property
    def mac(self) -> str:
        return f"02:77:00:00:{self.link:02x}:{self.side:02x}"

    def address(self, v6: bool = False) -> str:
        return str(ip_address(f"fd77:{self.link}::{self.side}" if v6 else f"10.77.{self.link}.{self.side}"))

    def configure(self, other: "End") -> None:
        """Up, with addresses and the other end as neighbour: no word is needed on the wire."""
        run = self.namespace.run
        run("ip", "link", "set", self.interface, "multicast", "off", "arp", "off", "up")
        run("ip", "addr", "replace", f"{self.address()}/24", "dev", self.interface)
        run("ip", "addr", "replace", f"{self.address(v6=True)}/64", "dev", self.interface, "nodad")
        for there in (other.address(), other.address(v6=True)):
            run("ip", "neigh", "replace", there, "lladdr", other.mac, "dev", self.interface, "nud", "permanent")


class Link:
    """A veth pair between two namespaces: `near` sends, `far` is where trafd listens.

    Neighbours are fixed and no router or duplicate is asked for, so that nothing but the test's own traffic passes.
    """

    def __init__(self, near: Namespace, far: Namespace, number: int = 0) -> None:
        self.near = End(near, number, 1)
        self.far = End(far, number, 2)
        peer = ("peer", "name", self.far.interface, "address", self.far.mac, "netns", str(far.pid))
        near.run("ip", "link", "add", self.near.interface, "address", self.near.mac, "type", "veth", *peer)
        for mine, other in ((self.near, self.far), (self.far, self.near)):
            mine.configure(other)
        self.offloads(False)
        self._sinks = [self._sink(socket.AF_INET, "0.0.0.0"), self._sink(socket.AF_INET6, "::")]

    def offloads(self, on: bool) -> None:
        words = [word for name in OFFLOADS for word in (name, "on" if on else "off")]
        for end in (self.near, self.far):
            end.namespace.run("ethtool", "-K", end.interface, *words)

    def _sink(self, family: int, address: str) -> socket.socket:
        """A bound UDP socket that nobody reads: the datagrams arrive and nothing answers."""
        sink = self.far.namespace.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            sink.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sink.bind((address, UDP_PORT))
        return sink

    def udp(self, count: int, size: int, *, sport: int = 5000, v6: bool = False) -> Sums:
        """count datagrams of size payload bytes to the far end; what they must add to the table."""
        src, dst = self.near.address(v6), self.far.address(v6)
        with self.near.namespace.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((src, sport))
            for _ in range(count):
                sender.sendto(bytes(size), (dst, UDP_PORT))
        header = 48 if v6 else 28
        return {(src, sport, dst, UDP_PORT, 17): (count, count * (header + size), count * size)}

    def udp_merged(self, size: int, segment: int, sport: int = 5000) -> Sums:
        """size bytes handed to the kernel at once, to be sent as datagrams of segment bytes (UDP_SEGMENT)."""
        src, dst = self.near.address(), self.far.address()
        with self.near.namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.IPPROTO_UDP, 103, segment)
            sender.bind((src, sport))
            sender.sendto(bytes(size), (dst, UDP_PORT))
        count = -(-size // segment)
        return {(src, sport, dst, UDP_PORT, 17): (count, count * 28 + size, size)}

    def ping(self, count: int, size: int) -> Sums:
        """count echo requests of size payload bytes and their answers."""
        src, dst = self.near.address(), self.far.address()
        with self.near.namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sender:
            sender.settimeout(5)
            for number in range(count):
                bare = struct.pack(">BBHHH", 8, 0, 0, 77, number) + bytes(size)
                total = sum(struct.unpack(f">{len(bare) // 2}H", bare))
                sender.sendto(bare[:2] + struct.pack(">H", 0xFFFF - total % 0xFFFF) + bare[4:], (dst, 0))
                sender.recv(65535)
        sums = (count, count * (28 + size), count * size)
        return {(src, 0, dst, 0, 1): sums, (dst, 0, src, 0, 1): sums}

    def tcp(self, size: int, port: int = TCP_PORT, ends: tuple[str, str] | None = None) -> tuple[Key, int]:
        """One connection from near to far that carries size bytes: the key of its data direction, bytes sent twice.

        ends: other addresses of theirs.
        """
        src, dst = ends or (self.near.address(), self.far.address())
        with self.far.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((dst, port))
            listener.listen(1)
            with self.near.namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as sender:
                sender.bind((src, 0))
                sender.connect((dst, port))
                key = (src, int(sender.getsockname()[1]), dst, port, 6)
                receiver, _ = listener.accept()
                with receiver:
                    _pump(sender, receiver, size)
                info = sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 216)
        (again,) = struct.unpack_from("Q", info, 208)  # tcpi_bytes_retrans of linux/tcp.h
        return key, again

    def tagged(self, count: int, size: int) -> Sums:
        """count UDP packets of size payload bytes behind an 802.1Q tag, as raw frames."""
        frame = self.frame(b"\x81\x00\x00\x0a", socket.inet_aton("10.78.0.1"), size)
        with self._raw() as sender:
            for _ in range(count):
                sender.send(frame)
        return {("10.78.0.1", 1, "12.0.0.1", 2, 17): (count, count * (28 + size), count * size)}

    def spoofed(self, flows: int, seed: int = 0) -> tuple[int, int, int]:
        """One small UDP packet from each of so many sources 11.x.y.z; packets, all and data of them together."""
        frame = self.frame(b"", bytes(4), 18)
        with self._raw() as sender:
            for number in random.Random(seed).sample(range(1 << 24), flows):
                struct.pack_into(">I", frame, 26, 0x0B000000 + number)
                sender.send(frame)
        return flows, flows * 46, flows * 18

    def send(self, frames: Iterable[bytes]) -> None:
        """Frames as they are."""
        with self._raw() as sender:
            for frame in frames:
                sender.send(frame)

    def frame(self, tag: bytes, src: bytes, size: int) -> bytearray:
        """A UDP packet to 12.0.0.1, where nobody answers."""
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + size, 0, 0, 64, 17, 0, src, socket.inet_aton("12.0.0.1"))
        macs = bytes.fromhex((self.far.mac + self.near.mac).replace(":", ""))
        return bytearray(macs + tag + b"\x08\x00" + ip + struct.pack(">HHHH", 1, 2, 8 + size, 0) + bytes(size))

    def _raw(self) -> socket.socket:
        sender = self.near.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sender.bind((self.near.interface, 0))
        return sender

    @contextmanager
    def tunnel(self) -> Iterator[tuple[str, str]]:
        """A VXLAN tunnel through the link, which the tunnel's traffic passes merged; its addresses."""
        ends = ("10.79.1.1", "10.79.1.2")
        try:
            for mine, other, address in ((self.near, self.far, ends[0]), (self.far, self.near, ends[1])):
                run, where = mine.namespace.run, ("local", mine.address(), "remote", other.address())
                run("ip", "link", "add", "btvx", "type", "vxlan", "id", "7", "dstport", "4789", *where)
                run("ip", "addr", "add", f"{address}/24", "dev", "btvx")
                run("ip", "link", "set", "btvx", "mtu", "1400", "up")
            yield ends
        finally:
            for end in (self.near, self.far):
                with suppress(subprocess.CalledProcessError):
                    end.namespace.run("ip", "link", "del", "btvx")

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()
        self.near.namespace.run("ip", "link", "del", self.near.interface)


def _pump(sender: socket.socket, receiver: socket.socket, size: int) -> None:
    """Moves size bytes with neither end waiting for the other, then closes in order."""
    sender.setblocking(False)
    receiver.setblocking(False)
    chunk = memoryview(bytes(1 << 16))
    left, got = size, 0
    while got < size:
        with suppress(BlockingIOError):
            left -= sender.send(chunk[:left]) if left else 0
        with suppress(BlockingIOError):
            got += len(receiver.recv(1 << 18))
    sender.setblocking(True)
    receiver.setblocking(True)
    sender.shutdown(socket.SHUT_WR)
    assert receiver.recv(1) == b""
    receiver.shutdown(socket.SHUT_WR)
    assert sender.recv(1) == b""


def add(*parts: Sums) -> Sums:
    """Tables added key by key."""
    total: Sums = {}
    for part in parts:
        for key, (packets, everything, data) in part.items():
            before = total.get(key, (0, 0, 0))
            total[key] = (before[0] + packets, before[1] + everything, before[2] + data)
    return total
