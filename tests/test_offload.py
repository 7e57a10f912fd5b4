"""XDP programs, filters of tc and flowtables in hardware, as netlink tells of them; room on a disk; capabilities."""

import errno
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpft.host import netlink, offload, permission
from bpft.host.netlink import Attributes, attributes
from bpft.host.space import space


def attribute(kind: int, content: bytes) -> bytes:
    """One attribute of linux/netlink.h, padded."""
    return struct.pack("=HH", 4 + len(content), kind) + content + bytes(-len(content) % 4)


def link(index: int, name: str, xdp: bytes = b"") -> tuple[bytes, Attributes]:
    found = attribute(3, name.encode() + b"\0") + (attribute(43, xdp) if xdp else b"")
    return struct.pack("=BBHiII", 0, 0, 1, index, 1, 0), attributes(found)


def tc_filter(kind: str, number: int, flags: int) -> tuple[bytes, Attributes]:
    options = attribute(number, struct.pack("=I", flags))
    return bytes(20), attributes(attribute(1, kind.encode() + b"\0") + attribute(2, options))


def flowtable(flags: int, *devices: str) -> tuple[bytes, Attributes]:
    names = b"".join(attribute(1, name.encode() + b"\0") for name in devices)
    hook = attribute(1, bytes(4)) + attribute(3 | 0x8000, names)
    body = attribute(1, b"filter\0") + attribute(2, b"fast\0") + attribute(3 | 0x8000, hook)
    return bytes(4), attributes(body + attribute(7, struct.pack(">I", flags)))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[tuple[bytes, Attributes]] | OSError]:
    """What netlink answers to each request; a filter is asked for on eth0's ingress alone."""
    answers: dict[int, list[tuple[bytes, Attributes]] | OSError] = {18: [link(1, "eth0"), link(2, "eth1")]}

    def dump(request: int, answer: int, header: bytes, protocol: int = 0) -> Iterator[tuple[bytes, Attributes]]:
        told = answers.get(request, [])
        if isinstance(told, OSError):
            raise told
        if request == 46:
            _family, index, _handle, parent, _info = struct.unpack("=Bxxxi3I", header)
            told = told if (index, parent) == (1, 0xFFFFFFF2) else []
        yield from told

    monkeypatch.setattr(netlink, "dump", dump)
    monkeypatch.setattr(offload, "_LINUX", True)
    return answers


@pytest.mark.parametrize(("mode", "told"), [(1, "in the driver"), (2, "generic"), (3, "in the card")])
def test_an_xdp_program(kernel: dict[int, object], mode: int, told: str) -> None:
    xdp = attribute(2, bytes([mode])) + attribute(4, struct.pack("=I", 12))
    kernel[18] = [link(1, "eth0", xdp), link(2, "eth1", attribute(2, b"\0"))]
    assert offload.xdp_programs() == {"eth0": (12, told)}


@pytest.mark.parametrize(("kind", "number"), [("flower", 22), ("u32", 11), ("matchall", 3), ("bpf", 9)])
def test_filters_that_the_hardware_took(kernel: dict[int, object], kind: str, number: int) -> None:
    in_hardware, not_in_hardware = tc_filter(kind, number, 4), tc_filter(kind, number, 8)
    kernel[46] = [in_hardware, not_in_hardware, in_hardware]
    assert offload.hardware_filters() == {"eth0": 2}
    kernel[46] = [not_in_hardware, tc_filter("cgroup", 4, 4)]
    assert offload.hardware_filters() == {}


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EINVAL, errno.EOPNOTSUPP])
def test_where_there_is_no_tc(kernel: dict[int, object], code: int) -> None:
    kernel[46] = OSError(code, "")
    assert offload.hardware_filters() == {}


def test_flowtables_in_hardware(kernel: dict[int, object]) -> None:
    kernel[10 << 8 | 23] = [flowtable(1, "eth0", "eth1"), flowtable(0, "eth2")]
    told = "flowtable fast of table filter"
    assert offload.hardware_flowtables() == {"eth0": told, "eth1": told}


def test_flowtables_that_may_not_be_seen(kernel: dict[int, object]) -> None:
    kernel[10 << 8 | 23] = PermissionError(errno.EPERM, "")
    with pytest.raises(PermissionError):
        offload.hardware_flowtables()
    kernel[10 << 8 | 23] = OSError(errno.EOPNOTSUPP, "")
    assert offload.hardware_flowtables() == {}


def test_elsewhere_there_is_nothing_to_ask(kernel: dict[int, object], monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.update(dict.fromkeys((18, 46, 10 << 8 | 23), OSError(errno.EPERM, "")))
    monkeypatch.setattr(offload, "_LINUX", False)
    assert (offload.xdp_programs(), offload.hardware_filters(), offload.hardware_flowtables()) == ({}, {}, {})


@pytest.mark.parametrize(
    ("effective", "may"),
    [("0000000000002000", True), ("000001fffeffffff", True), ("0000000000001000", False), ("0", False)],
)
def test_capabilities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, effective: str, may: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nCapPrm:\t000001ffffffffff\nCapEff:\t{effective}\n")
    monkeypatch.setattr(permission, "STATUS", status)
    monkeypatch.setattr("sys.platform", "linux")
    assert permission.may_capture() is may


def test_room(tmp_path: Path) -> None:
    found = space(tmp_path)
    df = os.statvfs(tmp_path)
    assert found.device == tmp_path.stat().st_dev
    assert abs(found.free - df.f_bavail * df.f_frsize) < 10**9
    assert not found.read_only
    with pytest.raises(OSError):
        space(tmp_path / "missing")
