"""Is the same traffic counted twice, in the wrong place, or past the tap?"""

from collections.abc import Iterator
from itertools import combinations

from bpft.doctor.counting import accounted
from bpft.doctor.facts import Facts, Unknown
from bpft.doctor.finding import Said, note, problem, unchecked
from bpft.host.devices import Device

#: Kinds of tunnels of which the kernel does not tell what they leave through: likely the default route's device.
_ROUTED = frozenset({"wireguard", "tun"})
_ENOUGH = 99  #: percent that were accounted, with which nothing can be hidden


def twice(facts: Facts) -> Iterator[Said]:
    """Two interfaces that are both counted and show the same frames."""
    if isinstance(facts.devices, Unknown):
        if len(facts.counted) > 1:
            yield unchecked(f"the interfaces of this host, which {facts.devices.why}")
        return
    if "any" in facts.counted and len(facts.counted) > 1:
        others = ", ".join(name for name in facts.counted if name != "any")
        yield problem("any", f"any is counted, and {others} once more", "trafstop any")
    known = [facts.devices[name] for name in facts.counted if name in facts.devices]
    for one, other in combinations(known, 2):
        for upper, lower in ((one, other), (other, one)):
            relation = _relation(facts.devices, upper.name, lower.name, set())
            if relation:
                yield _counted_twice(facts, upper.name, lower.name, f"{lower.name} {relation}")
            elif upper.kind in _ROUTED and not upper.lowers and lower.name == facts.uplink:
                yield note(
                    upper.name,
                    f"{upper.name} and {lower.name} are both counted: what the tunnel carries likely leaves by "
                    f"{lower.name}, wrapped up",
                    f"bpft report -i {lower.name}  (one interface at a time)",
                )


def doubles(facts: Facts, name: str) -> bool:
    """Whether an interface that is counted shows what name shows, so that name had better not be."""
    if isinstance(facts.devices, Unknown) or name not in facts.devices:
        return False
    return any(_relation(facts.devices, it, name, set()) for it in facts.counted if it in facts.devices and it != name)


def _counted_twice(facts: Facts, upper: str, lower: str, why: str) -> Said:
    seen = f"{upper} and {lower} count the same traffic: {why}"
    if any(facts.counted[name].filter for name in (upper, lower)):
        return note(f"{upper} {lower}", f"{seen}; their filters may keep them apart", f"trafstop {lower}  (if not)")
    stop = f"trafstop {lower}"
    if lower in facts.configured:
        stop = f'exclude = ["{lower}"] in bpft.toml, then: {stop}'
    return problem(f"{upper} {lower}", seen, stop)


def _relation(devices: dict[str, Device], upper: str, lower: str, met: set[str]) -> str:
    """What lower is to upper, whose frames it shows as well; "": none of what is known."""
    above, below = devices[upper], devices[lower]
    if below.port and below.master == upper:
        return "is a slave of it" if above.kind in ("bond", "team") else "is a port of it"
    if lower in above.lowers:
        return "carries that VLAN" if above.kind == "vlan" else "carries it"
    met.add(upper)
    between = {*above.lowers, *(it.name for it in devices.values() if it.port and it.master == upper)}
    for name in sorted(between - met):
        if name in devices and _relation(devices, name, lower, met):
            return f"lies below {name}, which lies below it"
    return ""


def nat(facts: Facts) -> Iterator[Said]:
    """Outside of NAT every host is the router."""
    if facts.uplink not in facts.counted:
        return
    if facts.nat.masquerades is None:
        yield unchecked("the rules of NAT, which only root may see", "sudo bpft doctor")
    elif facts.inside and not any(name in facts.counted for name in (*facts.inside, "any")):
        seen = f"{facts.uplink} is outside of NAT ({facts.nat.rule}): all hosts look like this router there"
        yield problem(facts.uplink, seen, f"trafstart {' '.join(facts.inside)}")


def flow_offload(facts: Facts) -> Iterator[Said]:
    """Hardware that forwards on its own shows the tap the first packets of a flow, and no more."""
    for what, offload in (("flowtables of nftables", facts.flow_offload), ("filters of tc", facts.tc_offload)):
        if isinstance(offload, Unknown):
            if facts.counted:
                yield unchecked(f"{what}, which {offload.why}", "sudo bpft doctor")
            continue
        for name in facts.counted:
            if name not in offload:
                continue
            by = offload[name]
            if isinstance(by, str):
                seen = f"{name}: {by} hands flows to the hardware, and the tap sees no more of them"
                yield _hidden(facts, name, seen, "take 'flags offload' out of that flowtable (nft list flowtables)")
            else:
                seen = f"{name}: {by} tc filters are in its hardware, what they match never reaches the tap"
                yield _hidden(facts, name, seen, f"ethtool -K {name} hw-tc-offload off")


def xdp(facts: Facts) -> Iterator[Said]:
    """A program that runs before the tap may drop or redirect what nobody counts then."""
    if isinstance(facts.xdp, Unknown):
        if facts.counted:
            yield unchecked(f"XDP programs, which {facts.xdp.why}")
        return
    for name in facts.counted:
        if name in facts.xdp:
            program, mode = facts.xdp[name]
            seen = (
                f"{name}: XDP program {program} ({mode}) comes before the tap; what it drops or redirects is not seen"
            )
            yield _hidden(facts, name, seen, f"ip link set dev {name} xdp off  (bpftool prog show id {program})")


def _hidden(facts: Facts, name: str, seen: str, remedy: str) -> Said:
    """A problem, unless the interface's own counters say that nothing is missing."""
    account = accounted(facts, name)
    if account.moved and account.accounted * 100 >= account.moved * _ENOUGH:
        return note(name, f"{seen}; so far nothing is missing", remedy)
    return problem(name, seen, remedy)
