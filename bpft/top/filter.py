"""What is typed behind /: a tcpdump expression, or a part of what a row is called."""

from ipaddress import ip_network

from bpft.core import FilterError, RecordFilter
from bpft.errors import BadExpression

#: What is an expression by itself; any other single word is a part of a name, which libpcap would ask the DNS for.
_ALONE = {"tcp", "udp", "icmp", "icmp6", "sctp", "ip", "ip6", "igmp", "ah", "esp"}


def read_filter(text: str) -> tuple[RecordFilter | None, str]:
    """(the expression, the part of a name): one of them.  An address or a prefix stands for its host or net.

    Raises BadExpression.
    """
    text = text.strip()
    words = text.split()
    if len(words) == 1 and words[0].lower() not in _ALONE:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            return None, text.lower()
        text = f"net {network}" if "/" in text else f"host {text}"
    return compiled(text), ""


def compiled(expression: str) -> RecordFilter:
    """Raises BadExpression where it does not compile, or asks what no record holds."""
    try:
        return RecordFilter(expression)
    except (FilterError, ValueError) as why:
        raise BadExpression(why) from None


def refusal(where: RecordFilter, key_mode: str) -> str:
    """Why it cannot be asked of a table that tells rows apart by key_mode (bpft.record.Header); "": it can."""
    mode = key_mode.partition("+")[0]
    if (where.needs_ports and mode in ("addresses", "no-ports")) or (where.needs_proto and mode == "addresses"):
        absent = "ports and protocols" if mode == "addresses" else "ports"
        return f"no {absent} are counted here; words that work: host, net, src, dst, ip, ip6"
    return ""
