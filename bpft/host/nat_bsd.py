"""FreeBSD: forwarding by sysctl(8), rules by pfctl(8), ipfw(8) and ipnat(8), whichever is there.

Written from their manual pages; it was never run there.
"""

import re
import subprocess

_SOURCES = (
    (("/sbin/pfctl", "-s", "nat"), re.compile(r"^nat\b", re.M), "pf"),
    (("/sbin/pfctl", "-s", "rules"), re.compile(r"\bnat-to\b"), "pf"),
    (("/sbin/ipfw", "list"), re.compile(r"\b(?:nat|divert) (?:\d+|tablearg|natd)\b"), "ipfw"),
    (("/sbin/ipnat", "-l"), re.compile(r"^map\b", re.M), "ipnat"),
)


def forwards() -> bool:
    """Whether packets of others pass, of IPv4 or IPv6."""
    said = _run(("/sbin/sysctl", "-n", "net.inet.ip.forwarding", "net.inet6.ip6.forwarding"))
    return said is not None and "1" in said.split()


def rule() -> str | None:
    """The packet filter with a rule that rewrites sources; "" where there is none, None where none may be asked."""
    answers = [(_run(command), pattern, name) for command, pattern, name in _SOURCES]
    for said, pattern, name in answers:
        if said is not None and pattern.search(said):
            return name
    return "" if any(said is not None for said, _, _ in answers) else None


def _run(command: tuple[str, ...]) -> str | None:
    """What command prints; None where it cannot be run or fails, as it does for all but root."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
