"""Mutated frames and files: the C meter against the corpus's oracle and against the twin.

BPFT_FUZZ_ROUNDS=100 makes it a hundred times longer, BPFT_FUZZ_SEED=7 takes another path.
"""

import io
import os
import random
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cases_ip
import cases_link
import corpus
import frames as f
import pytest
from frames import Captured
from meters import Metered, c_meter, twin
from test_corpus import skipped

from bpft import core
from bpft.meter.savefile import Broken, CaptureFile
from bpft.meter.walk import LINKS, UnsupportedLink

ROUNDS = int(os.environ.get("BPFT_FUZZ_ROUNDS", "1"))
SEED = int(os.environ.get("BPFT_FUZZ_SEED", "1"))
_FRAMES = 200  # of one link type in a capture
_TELLING = (0, 1, 2, 4, 5, 6, 17, 40, 41, 43, 44, 60, 0x45, 0x60, 0x81, 0x88, 0x47, 0x64, 0xAA, 0xFE, 0xFF)


class Seed(NamedTuple):
    """A frame to be mutated."""

    link_type: int
    wire: int
    data: bytes


@pytest.fixture(scope="module")
def seeds() -> list[Seed]:
    """The frames of the rules, and where the corpus is there the first few of each of its captures."""
    found = []
    for case in cases_link.CASES + cases_ip.CASES:
        frame = case.frame if isinstance(case.frame, Captured) else Captured(case.frame)
        found.append(Seed(case.link_type, frame.wire or len(frame.data), frame.data[:2000]))
    for path in corpus.CAPTURES:
        found += _first_frames(path, 5)
    return found


def _first_frames(path: Path, most: int) -> list[Seed]:
    found: list[Seed] = []
    with path.open("rb") as stream:
        try:
            for frame in CaptureFile(stream):
                found.append(Seed(frame.link_type, frame.wire, frame.data[:2000]))
                if len(found) == most:
                    break
        except (Broken, core.CaptureError):
            pass  # the frames before that are as good
    return found


def mutate(draw: random.Random, data: bytes) -> bytes:
    """A few bits, bytes, words and cuts; headers stand in front, so most of it happens there."""
    out = bytearray(data)
    for _ in range(draw.choice((0, 1, 1, 1, 2, 3, 6))):
        at = draw.randrange(max(1, min(len(out), draw.choice((20, 60, 120, 1 << 20)))))
        match draw.randrange(6):
            case 0 if out:
                out[at] ^= 1 << draw.randrange(8)
            case 1 if out:
                out[at] = draw.choice(_TELLING)
            case 2 if out:
                out[at] = draw.randrange(256)
            case 3:
                del out[at:]
            case 4:
                out[at:at] = out[draw.randrange(len(out) + 1) :][: draw.randrange(1, 24)]
            case 5:
                del out[at : at + draw.randrange(1, 9)]
    return bytes(out)


def _mutants(draw: random.Random, seeds: list[Seed], link_type: int) -> list[Captured]:
    own = [seed for seed in seeds if seed.link_type == link_type] or seeds
    frames = []
    for _ in range(_FRAMES):
        seed = draw.choice(own if draw.random() < 0.8 else seeds)
        data = mutate(draw, seed.data)
        wire = draw.choice((len(data), len(data), seed.wire, draw.randrange(1600), draw.randrange(200_000)))
        frames.append(Captured(data, max(wire, len(data))))
    return frames


def _captures(seeds: list[Seed], link_types: Iterator[int]) -> Iterator[tuple[int, list[Captured]]]:
    draw = random.Random(SEED)
    for link_type in link_types:
        yield link_type, _mutants(draw, seeds, link_type)


def _differ(left: Metered, right: Metered) -> bool:
    return (left.records, left.counters) != (right.records, right.counters)


def _complain(link_type: int, frames: list[Captured], differ: Callable[[list[Captured]], object]) -> None:
    """Name the frame that makes the difference, as short as it may be cut."""
    for frame in frames:
        if differ([frame]):
            short = next(
                cut for n in range(len(frame.data) + 1) if differ([cut := Captured(frame.data[:n], frame.wire)])
            )
            pytest.fail(f"link type {link_type}, {short.wire} bytes on the wire: {short.data.hex()}: {differ([short])}")
    pytest.fail(f"link type {link_type}: {len(frames)} frames differ together and none does alone")


# ---- against the twin ----


def test_mutated_frames_in_the_twin(seeds):
    for link_type, frames in _captures(seeds, sorted(LINKS) * 4 * ROUNDS):

        def differ(some: list[Captured], link_type: int = link_type) -> object:
            capture = f.pcap(some, link_type)
            meters = c_meter(capture), twin(capture)
            return meters if _differ(*meters) else None

        if differ(frames):
            _complain(link_type, frames, differ)


# ---- against the oracle ----

Sums = tuple[dict, Counter]


def _artefact(link_type: int, data: bytes) -> bool:
    """Frames on which the oracle's way is one of Python, and none to imitate."""
    avs = link_type in (119, 163) and data[:3] == b"\x80\x21\x10"
    return avs and len(data) < 8  # an AVS length that is not captured reads as 0


def _oracle(truth, link_type: int, frames: list[Captured]) -> Sums | None:
    """What the oracle counts; None: it loses its way in headers that name themselves (PPI, PKTAP)."""
    rows: dict = {}
    facts: Counter = Counter()
    for data, wire, _ in frames:
        try:
            key, total, payload, _ = truth.account(link_type, wire, data)
        except truth.Skip as why:
            facts[f"skip:{why}"] += 1
            continue
        except RecursionError:
            return None
        row = rows.get(key, (0, 0, 0))
        rows[key] = (row[0] + 1, row[1] + total, row[2] + payload)
    return rows, skipped(facts)


def test_mutated_frames_in_the_oracle(seeds, truth):
    link_types = sorted({*core.LINK_TYPES, 147}) * 3 * ROUNDS
    for link_type, mutants in _captures(seeds, link_types):
        frames = [mutant for mutant in mutants if not _artefact(link_type, mutant.data)]
        if link_type in (192, 258):
            frames = [mutant for mutant in frames if _oracle(truth, link_type, [mutant])]

        def differ(some: list[Captured], link_type: int = link_type) -> object:
            expected = _oracle(truth, link_type, some)
            metered = c_meter(f.pcap(some, link_type))
            found = metered.rows, Counter(metered.skipped)
            return None if found == expected else f"the oracle counts {expected}, the C meter {found}"

        if differ(frames):
            _complain(link_type, frames, differ)


# ---- files ----


def _files() -> list[bytes]:
    frames = [case.frame for case in cases_ip.CASES if case.link_type == 1 and len(f.pcap([case.frame])) < 200]
    draw = random.Random(SEED)
    return [
        *(
            f.pcap(draw.sample(frames, 3), order=order, magic=magic, version=version)
            for order in "<>"
            for magic, version in (
                (0xA1B2C3D4, (2, 4)),
                (0xA1B23C4D, (2, 4)),
                (0xA1B2CD34, (2, 4)),
                (0xA1B2C3D4, (2, 3)),
                (0xA1B2C3D4, (2, 1)),
                (0xA1B2C3D4, (543, 0)),
            )
        ),
        *(
            f.section(order)
            + f.interface(1, 60, f.option(9, b"\x09", order) + f.option(14, bytes(8), order), order)
            + f.interface(101, order=order)
            + f.enhanced(frames[0], order=order)
            + f.enhanced(cases_ip.P6, 1, order)
            + f.simple(frames[1], order)
            + f.old_packet(frames[2], order=order)
            + f.block(5, b"statistics", order)
            + f.pcapng(frames[3:5], order=order)
            for order in "<>"
        ),
    ]


def _mutated_file(draw: random.Random, capture: bytes) -> bytes:
    """One to three changes, of 32-bit words often: lengths and magic numbers are what a reader trusts."""
    out = bytearray(capture)
    for _ in range(draw.randrange(1, 4)):
        out = out or bytearray(4)
        at = draw.randrange(max(1, len(out) - 4))
        match draw.randrange(5):
            case 0:
                out[at] ^= 1 << draw.randrange(8)
            case 1:
                word = draw.choice((0, 1, 8, 12, 16, 20, 28, 32, 40, 60, 64, 0x40000, 0x40001, 0xFFFFFFFF))
                out[at & ~3 : (at & ~3) + 4] = struct.pack(draw.choice("<>") + "I", word)
            case 2:
                del out[at:]
            case 3:
                del out[at : at + draw.choice((1, 4, 8))]
            case 4:
                out[at:at] = out[at : at + draw.choice((1, 4, 8, 28))]
    return bytes(out)


def _outcome(meter: Callable[[bytes], Metered], capture: bytes) -> tuple:
    """What a meter makes of a file, in terms that all three share."""
    try:
        metered = meter(capture)
    except core.CaptureError:
        return {}, Counter(), True
    return metered.rows, Counter(metered.skipped), bool(metered.error)


class _Artefact(Exception):
    """The oracle asks for fewer than no bytes: a section header too short to be one."""


class _OracleStream(io.BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        if size is None or size <= 0:
            raise _Artefact
        return super().read(size)


def _oracle_outcome(truth, capture: bytes) -> tuple:
    rows: dict = {}
    facts: Counter = Counter()
    try:
        for link_type, wire, data in truth.packets(_OracleStream(capture)):
            counted = _oracle(truth, link_type, [Captured(data, wire)])
            assert counted
            for key, sums in counted[0].items():
                rows[key] = tuple(map(sum, zip(rows.get(key, (0, 0, 0)), sums, strict=True)))
            facts += counted[1]
    except truth.BadFile:
        return rows, facts, True
    return rows, facts, False


def _mutated_files(count: int) -> Iterator[bytes]:
    files, draw = _files(), random.Random(SEED)
    for _ in range(count * ROUNDS):
        yield _mutated_file(draw, draw.choice(files))


def test_mutated_files_in_the_twin():
    for capture in _mutated_files(800):
        try:
            expected = c_meter(capture)
        except core.CaptureError:
            with pytest.raises(core.CaptureError):
                twin(capture)
            continue
        if expected.frames and not set(expected.link_types) <= set(LINKS):
            with pytest.raises(UnsupportedLink):
                twin(capture)
            continue
        found = twin(capture)
        assert not _differ(found, expected), capture.hex()
        assert (bool(found.error), found.link_types) == (bool(expected.error), expected.link_types), capture.hex()


def test_mutated_files_in_the_oracle(truth):
    for capture in _mutated_files(2000):
        try:
            expected = _oracle_outcome(truth, capture)
        except _Artefact:
            continue
        assert _outcome(c_meter, capture) == expected, capture.hex()
