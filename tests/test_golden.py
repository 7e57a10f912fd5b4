"""The captures that are kept: they are what their maker writes, and both meters find the tables beside them."""

import csv

import pytest
from golden import CAPTURES, golden
from meters import c_meter, twin

from bpft.meter.walk import UnsupportedLink

GOLDEN = golden()


@pytest.mark.parametrize("name", GOLDEN)
def test_it_is_current(name):
    content = GOLDEN[name]
    assert (CAPTURES / name).read_bytes() == (content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("meter", [c_meter, twin])
@pytest.mark.parametrize("name", [name for name in GOLDEN if not name.endswith(".csv")])
def test_table(name, meter):
    capture = CAPTURES / name
    if meter is twin and name == "link-types.pcapng":
        with pytest.raises(UnsupportedLink):
            twin(capture.read_bytes())
        return
    metered = meter(capture.read_bytes())
    with capture.with_suffix(".csv").open(newline="") as file:
        rows = {
            (src, int(sport), dst, int(dport), int(proto)): tuple(map(int, sums))
            for src, sport, dst, dport, proto, *sums in list(csv.reader(file))[1:]
        }
    assert (metered.rows, metered.error) == (rows, None)
