"""What a check says: one thing seen, how much it matters, and what to do about it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from bpft.doctor.facts import Facts, Need

#: "problem" needs attention and makes the exit status 1; "note" is worth knowing; "unchecked" could not be looked at;
#: "ok" stands for a check that found nothing.
Status = Literal["problem", "note", "unchecked", "ok"]
STATUSES: tuple[Status, ...] = ("problem", "note", "unchecked", "ok")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer and its remedy; the names of the fields are those of bpft-doctor(1)'s JSON."""

    check: str  #: name of the check: it never changes
    status: Status
    subject: str  #: interface, file or user it is about; "": all of it
    seen: str  #: begins with the subject where that is not clear
    remedy: str = ""  #: one line; "": nothing is to be done


@dataclass(frozen=True, slots=True)
class Said:
    """What the function of a check finds; the table gives it the name."""

    status: Status
    subject: str
    seen: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """A row of the table."""

    name: str
    fine: str  #: what is said when nothing was found
    look: Callable[[Facts], Iterable[Said]]
    needs: tuple[Need, ...] = ()  #: what must be seen for it; it judges what there is of that

    def run(self, facts: Facts) -> list[Finding]:
        """What it finds; never nothing."""
        hidden = dict.fromkeys(reason for need in self.needs for reason in facts.hidden(need))
        said = [*self.look(facts), *map(unchecked, hidden)]
        found = [Finding(self.name, one.status, one.subject, one.seen, one.remedy) for one in said]
        return found or [Finding(self.name, "ok", "", self.fine)]


def problem(subject: str, seen: str, remedy: str) -> Said:
    """It needs attention."""
    return Said("problem", subject, seen, remedy)


def note(subject: str, seen: str, remedy: str = "") -> Said:
    """It is worth knowing, and may be as somebody wants it."""
    return Said("note", subject, seen, remedy)


def unchecked(seen: str, remedy: str = "") -> Said:
    """It could not be looked at, and why."""
    return Said("unchecked", "", seen, remedy)
