"""Does every interface count, lose nothing, and agree with what the kernel says of it?"""

from collections.abc import Iterator
from dataclasses import replace

from bpft.doctor.facts import DAY_NS, Daemon, Facts, RecentBlock, Unknown
from bpft.doctor.finding import Said, note, problem, unchecked
from bpft.doctor.restart import again, changed, start, stop
from bpft.messages import count, duration, size
from bpft.report import units
from bpft.report.completeness import Account

#: Losses from here on spoil a figure in its third digit; below, a note tells of them.
_LOSS = 0.001
#: Bytes that an interface must have moved before its completeness means something.
_WORTH_COMPARING = 1_000_000
_LEAST_PERCENT = 99
_CAPTURING = "capturing"  #: state of a daemon in its answer
_MOST_BUFFER = 1 << 30  #: what --buffer takes


def interfaces(facts: Facts) -> Iterator[Said]:
    """Those that are counted, or are to be, are there and up."""
    names = dict.fromkeys((*facts.counted, *facts.configured))
    if isinstance(facts.devices, Unknown):
        if names:
            yield unchecked(f"the interfaces of this host, which {facts.devices.why}")
        return
    for name in names:
        device = facts.devices.get(name)
        if device is None and name != "any":
            held = "; its trafd waits and goes on when it is back" if name in facts.counted else ""
            yield problem(
                name,
                f"{name} is not there{held}",
                f"{'ip link show' if facts.linux else 'ifconfig -l'}  (renamed? then: trafstop {name})",
            )
        elif device is not None and not device.up:
            up = f"ip link set {name} up" if facts.linux else f"ifconfig {name} up"
            yield problem(name, f"{name} is down: it carries nothing that could be counted", up)
        elif name in facts.counted and (facts.counted[name].answer or {}).get("state", _CAPTURING) != _CAPTURING:
            yield problem(name, f"{name} is there and up, and its trafd does not count", again(facts.counted[name]))
        elif device is not None and not device.running:
            yield note(name, f"{name} is up and has no carrier", "check its cable, or its other end")


def daemons(facts: Facts) -> Iterator[Said]:
    """Each interface that is to be counted has a daemon, and something is counted at all."""
    trafstart = "trafstart" if facts.caller.superuser or facts.caller.may_capture else "sudo trafstart"
    failed = [name for name in facts.enabled if name not in facts.counted]
    for name in failed:
        remedy = f"systemctl restart trafd@{name}  (if that fails: journalctl -u trafd@{name})"
        yield problem(name, f"the service trafd@{name} is enabled, and does not run", remedy)
    idle = [name for name in facts.configured if name not in (*facts.counted, *failed)]
    if idle:
        names = " ".join(idle)
        yield problem(names, f"configured, and not counted: {', '.join(idle)}", f"{trafstart} {names}")
    elif not facts.counted and not failed and not facts.logs and not any(daemon.left for daemon in facts.daemons):
        yield note("", "nothing is counted yet", trafstart)
    elif not facts.counted and not failed:
        yield note("", "no trafd runs: nothing is counted now", trafstart)


def drops(facts: Facts) -> Iterator[Said]:
    """Packets that the kernel or the interface lost in the last day: a loss of long ago is no news."""
    for name in dict.fromkeys((*facts.counted, *facts.seen_interfaces)):
        received, kernel, interface, when = _kernel(facts, name)
        lost = kernel + interface
        if not lost:
            continue
        # What the kernel received has its own drops in it; the interface's never reached it.
        packets = max(received, kernel) + interface
        seen = f"{name} lost {units.share(lost, packets)} of its packets {when}: {lost:,} of {packets:,}"
        say = problem if lost >= _LOSS * packets else note
        if kernel >= interface or not facts.linux:
            yield say(name, seen, _more_room(facts, name))
        else:
            yield say(name, f"{seen}, most of them in the card", f"ethtool -G {name} rx 4096")


def _kernel(facts: Facts, name: str) -> tuple[int, int, int, str]:
    """Packets received, dropped by the kernel and by the interface, and when that was.

    The daemon's own figures reach back to its start, so that after a day its blocks tell more of today.
    """
    answer = facts.counted[name].answer if name in facts.counted else None
    blocks = facts.blocks(name, facts.now_ns - DAY_NS)
    if answer is not None and (not blocks or answer["uptime_s"] * 1e9 < DAY_NS):
        since = f"in the {duration(answer['uptime_s'])} since its start"
        return answer["received"], answer["dropped"], answer["if_dropped"], since
    counters = [block.header.counters for block in blocks]
    return (
        sum(it.received for it in counters),
        sum(it.dropped for it in counters),
        sum(it.if_dropped for it in counters),
        "in the last day",
    )


def _more_room(facts: Facts, name: str) -> str:
    """How to give the kernel a larger buffer: twice what it is, where that is known."""
    daemon = facts.counted.get(name) or Daemon(name, "")
    buffer = (daemon.answer or {}).get("buffer", 0)
    if buffer * 2 > _MOST_BUFFER:
        return changed(daemon, "ports", "service")  # fewer flows are faster
    size = -(-buffer * 2 // 1_000_000) or 128
    allowed = "" if facts.linux else f"sysctl net.bpf.maxbufsize={size * 1_000_000}; "
    return allowed + changed(daemon, "buffer", f"{size}M")


def flows(facts: Facts) -> Iterator[Said]:
    """A table that is full sums up who is small."""
    for name, daemon in facts.counted.items():
        if daemon.answer and daemon.answer["folded"]:
            folded = count(daemon.answer["folded"], "small flow")
            seen = f"{name} holds its {daemon.answer['max_flows']:,} flows at most; {folded} became other"
            all_ports = daemon.answer["key_mode"] == "full"
            fewer, more = ("ports", "service"), ("max-flows", 2 * daemon.answer["max_flows"])
            yield note(name, seen, changed(daemon, *(fewer if all_ports else more)))


def completeness(facts: Facts) -> Iterator[Said]:
    """What was accounted, of what the interface itself says it moved, in the blocks of a day (SEMANTICS C4)."""
    for name in facts.seen_interfaces:
        account = accounted(facts, name)
        if account.moved < _WORTH_COMPARING or account.accounted * 100 >= account.moved * _LEAST_PERCENT:
            continue
        share = units.share(account.accounted, account.moved)
        reason, remedy = _reason(facts, name, account)
        seen = f"{name}: only {share} of its {size(account.moved)} was accounted in the last day: {reason}"
        yield problem(name, seen, remedy)


def accounted(facts: Facts, name: str) -> Account:
    """What report says of the blocks of a day."""
    account = Account(name)
    for block in facts.blocks(name, facts.now_ns - DAY_NS):
        account.add(block.header)
    return account


def _reason(facts: Facts, name: str, account: Account) -> tuple[str, str]:
    """Why bytes are missing, as far as anything tells, and what helps."""
    if account.dropped + account.if_dropped:
        lost = count(account.dropped + account.if_dropped, "packet")
        return f"{lost} dropped", _more_room(facts, name)
    if isinstance(facts.xdp, dict) and name in facts.xdp:
        return "an XDP program takes packets away first", f"ip link set dev {name} xdp off"
    for offload in (facts.flow_offload, facts.tc_offload):
        if isinstance(offload, dict) and name in offload:
            return (
                "its hardware forwards on its own",
                f"ethtool -K {name} hw-tc-offload off, or no 'flags offload' in nftables",
            )
    if any(it.header.promiscuous is False for it in _day(facts, name)):
        return (
            "without promiscuous mode other hosts' packets are not tapped, though some cards count them",
            _promiscuous(facts.counted.get(name) or Daemon(name, "")),
        )
    return "nothing here tells why", f"bpft report -i {name} --by proto, and tcpdump -ni {name} beside it"


def _promiscuous(daemon: Daemon) -> str:
    """How to count without -p."""
    if daemon.unit or "--config" in daemon.command:
        return f"promiscuous = true in bpft.toml, then: {again(daemon)}"
    words = tuple(word for word in daemon.command if word not in ("-p", "--no-promiscuous"))
    return f"{stop(daemon)}; {start(replace(daemon, command=words))}  (without -p)"


def _day(facts: Facts, name: str) -> list[RecentBlock]:
    return facts.blocks(name, facts.now_ns - DAY_NS)
