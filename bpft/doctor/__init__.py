"""Is everything well, and what to do where it is not: one table of checks, each a function of the facts."""

from bpft.doctor import access, clock, counting, files, gather, topology
from bpft.doctor.facts import Facts
from bpft.doctor.finding import STATUSES, Check, Finding

__all__ = ["CHECKS", "Finding", "examine", "judge"]

#: In the order in which one thing explains the next.
CHECKS = (
    Check("configuration", "the configuration can be read", access.configuration),
    Check("capture", "interfaces can be captured", access.capture),
    Check("reading", "logs and dumps can be read", access.reading),
    Check("control", "every daemon answers", access.control),
    Check("daemons", "what is to be counted is counted", counting.daemons),
    Check("interfaces", "every interface that is counted is there and up", counting.interfaces),
    Check("drops", "no packet was dropped", counting.drops, ("logs", "answers")),
    Check("completeness", "what was accounted is what the interfaces moved", counting.completeness, ("logs",)),
    Check("flows", "no table is full", counting.flows, ("answers",)),
    Check("twice", "nothing is counted twice", topology.twice),
    Check("nat", "nothing is counted on the wrong side of NAT", topology.nat),
    Check("flow-offload", "no hardware forwards past the tap", topology.flow_offload),
    Check("xdp", "no XDP program comes before the tap", topology.xdp),
    Check("disk", "there is room on the disk", files.disk, ("logs",)),
    Check("saves", "every table was saved within a day", files.saves, ("answers",)),
    Check("waiting", "no dump waits for a daemon", files.waiting, ("logs", "dumps")),
    Check("stale", "nothing was left behind", files.stale),
    Check("logs", "every log is whole at its end", files.tails, ("logs",)),
    Check("clock", "the clock is set and runs evenly", clock.clock, ("logs",)),
    Check("packages", "every package is there that something is better with", access.packages),
)


def examine(root: str) -> list[Finding]:
    """Look at the installation below root ("": the system's) and judge it: what needs attention first.

    Of each check there is at least one finding.
    """
    return judge(gather.gather(root))


def judge(facts: Facts) -> list[Finding]:
    """The findings of every check, worst first, each sort in the order of the table."""
    found = [finding for check in CHECKS for finding in check.run(facts)]
    return sorted(found, key=lambda finding: STATUSES.index(finding.status))
