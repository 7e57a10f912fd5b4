"""Real captures: the C meter against their truth tables and against the oracle, the twin against the C meter."""

from collections import Counter
from pathlib import Path
from types import ModuleType

import corpus
import pytest
from meters import c_meter, twin

from bpft.core import CaptureError
from bpft.meter.walk import LINKS, UnsupportedLink

pytestmark = corpus.needed


def test_corpus_is_whole():
    assert len(corpus.CAPTURES) == 146
    assert all(Path(f"{path}.csv").exists() for path in corpus.CAPTURES)


@corpus.each_capture
def test_truth_table(path):
    try:
        rows = c_meter(path.read_bytes()).rows
    except CaptureError:
        rows = {}  # no capture: its truth table is empty
    assert rows == corpus.truth_table(path)


@corpus.each_capture
def test_oracle(path, truth):
    rows, facts, error = truth.table(path)
    try:
        metered = c_meter(path.read_bytes())
    except CaptureError:
        assert error
        assert not facts["packets"]
        return
    assert metered.rows == {key: tuple(sums) for key, sums in rows.items()}
    assert (metered.counters["seen"], metered.counters["counted"]) == (facts["packets"], facts["counted"])
    assert metered.frames == facts["packets"]
    assert metered.skipped == skipped(facts)
    assert bool(metered.error) == bool(error)


def skipped(facts: Counter) -> Counter:
    """The oracle's skip counters by our names: it has one for each link type that is not entered."""
    found = Counter()
    for fact, n in facts.items():
        if fact.startswith("skip:"):
            found["linktype" if fact.startswith("skip:linktype-") else fact.removeprefix("skip:")] += n
    return found


@corpus.each_capture
@pytest.mark.parametrize("addresses_only", [False, True], ids=["full", "addresses"])
def test_twin(path: Path, addresses_only: bool, truth: ModuleType):
    capture = path.read_bytes()
    links = {int(fact.removeprefix("link:")) for fact in truth.table(path)[1] if fact.startswith("link:")}
    if not links <= set(LINKS):
        with pytest.raises(UnsupportedLink):
            twin(capture)
        return
    try:
        expected = c_meter(capture, addresses_only=addresses_only)
    except CaptureError as why:
        with pytest.raises(CaptureError, match=str(why)):
            twin(capture)
        return
    metered = twin(capture, addresses_only=addresses_only)
    assert metered.records == expected.records
    assert metered.counters == expected.counters
    assert (metered.frames, bool(metered.error)) == (expected.frames, bool(expected.error))
