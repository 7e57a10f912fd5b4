"""Tables that fit a width: names give way, addresses and figures never do."""

from hypothesis import given
from hypothesis import strategies as st

from bpft.report.render.grid import Grid

TITLES = ("From", "To", "All")


def test_columns_are_as_wide_as_what_they_hold() -> None:
    grid = Grid(TITLES, 2, [("10.0.0.1", "x", "5 B"), ("a", "y", "12 kB")], "total", 80)
    assert grid.line(TITLES) == "From      To    All"
    assert grid.line(("a", "y", "12 kB")) == "a         y   12 kB"
    assert grid.total("total", ("12 kB",)) == "total         12 kB"


def test_a_long_name_is_cut_and_an_address_is_not() -> None:
    name, address = "a-very-long-host-name.example.net", "2001:db8:1234:5678:9abc:def0:1234:5678"
    grid = Grid(TITLES, 2, [(name, address, "5 B")], "total", 60)
    line = grid.line((name, address, "5 B"))
    assert len(line) == 60
    assert "…" in line
    assert address in line


def test_the_label_has_room() -> None:
    grid = Grid(("Proto", "All"), 1, [("6", "5 B")], "10 of 1000 rows, 99.99 %", 80)
    assert grid.total("10 of 1000 rows, 99.99 %", ("5 B",)) == "10 of 1000 rows, 99.99 %  5 B"
    assert grid.line(("6", "5 B")) == "6                         5 B"


words = st.one_of(st.text("abc.-", max_size=40), st.sampled_from(["255.255.255.255", "2001:db8::ffff:1", "65535"]))


@given(
    lines=st.lists(st.tuples(words, words, st.text("0123456789", max_size=12)), min_size=1, max_size=5),
    width=st.integers(10, 120),
)
def test_lines_are_aligned_and_addresses_are_whole(lines: list[tuple[str, str, str]], width: int) -> None:
    grid = Grid(TITLES, 2, lines, "total", width)
    figures = {len(grid.line((*line[:2], "x"))) for line in lines}
    assert len(figures) == 1
    for line in lines:
        printed = grid.line(line)
        for word in line:
            if ":" in word or word.replace(".", "").isdecimal():
                assert word in printed
