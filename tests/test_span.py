"""Spans of time: what the configuration, trafd and bpft compact take for one is the same."""

from datetime import timedelta

import pytest

from bpft import keeping
from bpft.cli.configured import meant
from bpft.config.reader import parse
from bpft.config.text import text
from bpft.daemon.schedule import interval
from bpft.errors import UsageError
from bpft.retention import age


@pytest.mark.parametrize("written", ["1y", "120y", "999999y", "31d", "87654321h", "1000000000 w"])
def test_ages_that_the_configuration_takes_are_taken_where_they_act(written: str) -> None:
    config, mistakes = parse(f'[retention]\nfull = "{written}"\ndaily = "off"\n'.encode())
    if mistakes:
        with pytest.raises(UsageError):
            age(written)
        return
    until = keeping.keep(meant(config, "eth0")["keep"]).stages[0].until
    assert until == age(written) > timedelta(0)
    assert parse(text(config).encode())[0].retention == config.retention


@pytest.mark.parametrize(
    "written", ["30s", "05min", "1 h", "1d", "86400s", "7min", "0s", "48h", "1m", "1H", "١h", "off", ""]
)
def test_intervals_that_the_configuration_takes_are_taken_by_trafd(written: str) -> None:
    config, mistakes = parse(f'[times]\nsave = "{written}"\n'.encode())
    try:
        assert (config.times.save, mistakes) == (interval("--save-every", written), [])
    except UsageError:
        assert mistakes
