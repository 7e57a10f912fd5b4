"""The captures that are kept: the frames of the rules, and a file of each variant.  Run it to write them anew.

Beside each lies its table as CSV, which comes from what the cases expect and not from a meter.
"""

from collections.abc import Iterable
from pathlib import Path

import cases_ip
import cases_link
import frames as f
from cases import P4, P6, ROW4, ROW6, Case
from frames import Captured

CAPTURES = Path(__file__).with_name("captures")
_CUT = 200  # bytes captured: no rule looks further


def table(rows: Iterable[tuple]) -> str:
    """CSV of rows (key, all, data), equal keys summed."""
    sums: dict[tuple, list[int]] = {}
    for *key, all_, data in rows:
        found = sums.setdefault(tuple(key), [0, 0, 0])
        found[:] = found[0] + 1, found[1] + all_, found[2] + data
    lines = (",".join(map(str, (*key, *sums[key]))) for key in sorted(sums))
    return "src,sport,dst,dport,proto,packets,all,data\n" + "".join(f"{line}\n" for line in lines)


def _frame(case: Case) -> Captured:
    data, wire, ns = case.frame if isinstance(case.frame, Captured) else Captured(case.frame)
    return Captured(data[:_CUT], wire or len(data), ns)


def _link_types() -> bytes:
    links = sorted({case.link_type for case in cases_link.CASES})
    interfaces = b"".join(f.interface(link) for link in links)
    packets = (f.enhanced(_frame(case), links.index(case.link_type)) for case in cases_link.CASES)
    return f.section() + interfaces + b"".join(packets)


def golden() -> dict[str, bytes | str]:
    """Names in CAPTURES and what they hold."""
    frames = [f.ether(f.IP4, P4), Captured(f.ether(f.IP6, P6)[:60], 72)]
    two = table([ROW4, ROW6])
    files: dict[str, bytes | str] = {
        "link-types.pcapng": _link_types(),
        "link-types.csv": table(case.expected for case in cases_link.CASES if isinstance(case.expected, tuple)),
        "ip-rules.pcap": f.pcap(map(_frame, cases_ip.CASES)),
        "ip-rules.csv": table(case.expected for case in cases_ip.CASES if isinstance(case.expected, tuple)),
        "big-endian.pcap": f.pcap(frames, order=">"),
        "nanoseconds.pcap": f.pcap(frames, magic=0xA1B23C4D),
        "kuznetzov.pcap": f.pcap(frames, magic=0xA1B2CD34),
        "version-2.2.pcap": f.pcap(frames, version=(2, 2), exchanged=True),
        "version-2.3-exchanged.pcap": f.pcap(frames, version=(2, 3), exchanged=True),
        "version-543.0.pcap": f.pcap(frames, version=(543, 0), exchanged=True),
        "sections.pcapng": f.pcapng(frames[:1]) + f.pcapng(frames[1:], order=">"),
        "old-and-simple-packets.pcapng": f.section()
        + f.interface(snaplen=60)
        + f.old_packet(frames[0])
        + f.simple(frames[1]),
    }
    variants = [name for name in files if f"{Path(name).stem}.csv" not in files]
    return files | {f"{Path(name).stem}.csv": two for name in variants}


if __name__ == "__main__":
    for name, content in golden().items():
        (CAPTURES / name).write_bytes(content if isinstance(content, bytes) else content.encode())
