"""The configuration: every mistake has its line and its remedy, and what is shown reads as what was meant."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bpft import config, keeping
from bpft.cli import main, trafd
from bpft.config.model import (
    Config,
    Directories,
    Interface,
    Interfaces,
    Log,
    Names,
    Retention,
    Times,
    User,
)
from bpft.config.reader import keys, lines_of, parse
from bpft.config.text import text
from bpft.paths import paths

PROJECT = Path(__file__).resolve().parents[1]
SAMPLE = (PROJECT / "share/bpft.toml").read_text()
PAGE = (PROJECT / "man/bpft.toml.5").read_text()


def mistakes(source: str | bytes) -> list[str]:
    content = source if isinstance(source, bytes) else source.encode()
    return [str(mistake) for mistake in parse(content, "f")[1]]


def test_the_defaults_are_the_profile_of_the_services() -> None:
    assert parse(b"") == (Config(file="bpft.toml"), [])
    it = Config()
    assert (it.times.dump, it.times.save, it.log.budget) == (300, 3600, 200_000_000)
    assert keeping.keep(it.retention.keep) == keeping.keep(keeping.SERVICE)
    how = it.interfaces.of("eth0")
    assert (how.promiscuous, how.min_size, how.ports, how.filter) == (False, 0, "service", "")


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ("\n[interfaces]\nportz = 1", 3, "portz: no such key in [interfaces]; did you mean ports?"),
        ("[interfaces]\nmin_size = 1", 2, "did you mean min-size?"),
        ("[interfaces.eth0]\nFilter = 'tcp'", 2, "no such key in [interfaces.eth0]; did you mean filter?"),
        ("[times]\nx = 1", 2, "use one of dump, save"),
        ("# x\n\n[interface]", 3, "interface: no such section; did you mean interfaces?"),
        ("x = 1", 1, "x: no such section; use one of interfaces, times"),
        ("times = 3", 1, "times is a section; write it as [times]"),
        ("[interfaces]\nnames = 'eth0'", 2, 'write a list as ["eth0", "ppp*"]'),
        ("[interfaces]\nnames = [\n 'eth0',\n 'w[l' ]", 2, 'holds "w[l", which matches no interface'),
        ("[interfaces]\nnames = ['a b']", 2, 'holds "a b": use 1 to 64 of letters'),
        ("[interfaces]\nnames = [3]", 2, "write a text in quotes"),
        ("[interfaces]\nexclude = true", 2, "exclude is the word true"),
        ("[interfaces]\next = 'x'", 2, "write it into its table [interfaces.NAME]"),
        ("[interfaces.'eth*']\next = 'x'", 2, "leave it away for a pattern"),
        ("[interfaces.eth0]\next = '../x'", 2, 'ext is "../x": use 1 to 64'),
        ("[interfaces.'../x']\nvlan = true", 1, 'holds "../x"'),
        ("[interfaces.a]\next = 'b'\n[interfaces.b]", 3, "b is the ext of a already"),
        ("[interfaces.a]\next = 'x'\n[interfaces.b]\n\next = 'x'", 5, "x is the ext of a already"),
        ("[interfaces]\nports = 'some'", 2, 'is "some"; write one of "all", "service", "none"'),
        ("[interfaces]\nengine = 'reference'", 2, 'write one of "auto", "ring", "pcap"'),
        ("[interfaces]\naddresses-only = true\nports = 'none'", 3, "addresses-only keeps no ports"),
        ("[interfaces]\nvlan = 1", 2, "is the number 1; write true or false"),
        ("[interfaces]\nprefix-len = [33, 48]", 2, "write two numbers"),
        ("[interfaces]\nprefix-len = '24,48'", 2, "as [24, 48]"),
        ("[interfaces]\nprefix-len = [true, 3]", 2, "as [24, 48]"),
        ("[interfaces]\nmin-size = -1", 2, "write a number from 0 on"),
        ("[interfaces]\nmin-size = 1.5", 2, "is the number 1.5"),
        ("[interfaces]\nmin-size = '10 miles'", 2, 'write a size as "10MB"'),
        ("[interfaces]\nmax-flows = '7'", 2, 'is the text "7"; write a whole number'),
        ("[interfaces]\nmax-flows = true", 2, "is the word true; write a whole number"),
        ("[interfaces]\nmax-memory = '3k'", 2, "is too little"),
        ("[interfaces]\nbuffer = '2G'", 2, "is too much"),
        ("[times]\ndump = '7min'", 2, "a part of a day as"),
        ("[times]\ndump = '2d'", 2, "a part of a day as"),
        ("[times]\nsave = '0h'", 2, 'a part of a day as "30s"'),
        ("[times]\nsave = 3600", 2, "save is 3600"),
        ("[times]\nsave = '1y'", 2, 'a part of a day as "30s"'),
        ("[log]\nbudget = '5k'", 2, "is too little"),
        ("[log]\nrotate = 'weekly'", 2, 'write "daily", "monthly" or a size'),
        ("[log]\nzone = 'Mars/Base'", 2, "not known here"),
        ("[log]\nzone = '../etc/passwd'", 2, "not known here"),
        ("[retention]\nfull = '31'", 2, 'write an age as "31d"'),
        ("[retention]\nfull = '5min'", 2, 'write an age as "31d"'),
        ("[retention]\nfull = 1979-05-27", 2, "is a date"),
        ("[retention]\nfull = '2y'", 2, "daily, an age too, ends before full does"),
        ("[retention]\nfull = '2d'\ndaily = '1d'", 3, "ends before full does"),
        ("[retention]\nfull = 'off'\ndaily = '1d'", 3, "never begins"),
        ("[directories]\nlogs = 'srv'", 2, "begins with /"),
        ("[user]\nname = 'a b'", 2, "the name of an account"),
        ("[names]\nhosts = ['hosts']", 2, "begins with /"),
        ("[scopes]\nLAN = ['10.0.0.0/8']", 2, "is no name of a scope"),
        ("[scopes]\nlan = '10.0.0.0/8'", 2, 'write a list as ["10.0.0.0/8"'),
        ("[scopes]\nlan = ['10.0.0.1/8']", 2, "bits behind its length"),
        ("[scopes]\nlan = ['lan']", 2, 'holds "lan": write as "10.0.0.0/8"'),
        ("[scopes]\na = ['10.0.0.0/8']\nb = [\n'10.0.0.0/8']", 3, "is in a as well"),
        ("[times]\n\ndump = ", 3, "is no TOML: invalid value"),
        ("[times]\ndump = '5min'\ndump = '5min'", 3, "is no TOML"),
        ("[times\n\n", 1, "is no TOML"),
        ('x = """\n\n', 1, "is no TOML"),
        (b"\n\nx = '\xff'", 3, "is not text in UTF-8"),
        ("[interfaces]\r\n\r\nvlan = 3\r\n", 3, "write true or false"),
    ],
)
def test_each_mistake_has_its_line_and_its_remedy(source: str | bytes, line: int, said: str) -> None:
    (found,) = mistakes(source)
    assert found.startswith(f"f:{line}: ")
    assert said in found


def test_all_mistakes_are_told_in_order() -> None:
    lines = [
        int(said.split(":")[1]) for said in mistakes("[times]\nsave=1\ndump=2\n[log]\nx=1\n[interfaces]\ny=2\nvlan=3")
    ]
    assert lines == [2, 3, 5, 7, 8]


def test_depth() -> None:
    assert "nested too deeply" in mistakes("x = " + "[" * 100_000)[0]


@given(st.dictionaries(st.text(max_size=4), st.lists(st.text(max_size=3), max_size=3), max_size=5), st.integers(0, 3))
def test_the_line_of_each_key(table: dict[str, list[str]], blank: int) -> None:
    """Lists over several lines, any text in quotes, comments between."""
    from bpft.config.text import _string

    lines, expected = ["[t]"], {("t",): 1}
    for key, items in table.items():
        lines += ["# [x]"] * blank
        expected["t", key] = len(lines) + 1
        lines += [f"{_string(key)} = [ # ]", *(f"  {_string(item)}," for item in items), "]"]
    assert lines_of("\n".join(lines)) == expected


@given(st.text(alphabet="[]=\"'#\n ,.axinterfacestimesdump5mi{}", max_size=60) | st.binary(max_size=30))
def test_nothing_makes_it_fall_over(source: str | bytes) -> None:
    mistakes(source)


INTERFACE = st.builds(
    lambda only, ports, **rest: Interface(addresses_only=only, ports="all" if only else ports, **rest),
    st.booleans(),
    ports=st.sampled_from(["all", "service", "none"]),
    filter=st.text(st.characters(codec="utf-8"), max_size=5),
    vlan=st.booleans(),
    prefix_len=st.none() | st.tuples(st.integers(0, 31), st.integers(0, 128)),
    promiscuous=st.booleans(),
    min_size=st.integers(0, 10**10),
    max_flows=st.none() | st.integers(0, 10**10),
    max_memory=st.none() | st.integers(10**6, 10**12),
    buffer=st.none() | st.integers(10**6, 1 << 30),
    engine=st.sampled_from(["auto", "ring", "pcap"]),
)
GLOBS = st.lists(st.sampled_from(["eth0", "ppp*", "All", "e[!t]h?"]), unique=True).map(tuple)
FILES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4).map("/{}".format)).map(
    tuple
)
CONFIG = st.builds(
    Config,
    file=st.just("bpft.toml"),
    interfaces=st.builds(Interfaces, names=GLOBS, exclude=GLOBS, others=INTERFACE),
    times=st.builds(Times, dump=st.sampled_from([0, 1, 30, 300, 3600]), save=st.sampled_from([0, 45, 900, 86400])),
    log=st.builds(
        Log,
        budget=st.just(0) | st.integers(10**6, 10**15),
        rotate=st.sampled_from(["", "daily", "monthly", "10MB"]),
        zone=st.sampled_from(["", "UTC"]),
    ),
    retention=st.sampled_from([Retention(), Retention(None, None), Retention(5, None), Retention(48, 49)]),
    directories=st.builds(Directories, logs=st.sampled_from(["", "/a b"]), dumps=st.sampled_from(["", "/ü"])),
    user=st.builds(User, name=st.sampled_from(["", "nobody"])),
    names=st.builds(Names, hosts=FILES, leases=FILES),
    scopes=st.sampled_from([(), (("a", ()), ("b", ("10.0.0.0/8", "2001:db8::/32")))]),
)


@given(CONFIG, st.dictionaries(st.sampled_from(["eth1", "x*", "lo"]), INTERFACE))
@example(Config(file="bpft.toml"), {})
def test_what_is_shown_reads_as_what_was_meant(meant: Config, own: dict[str, Interface]) -> None:
    # A table begins with what is said for all: it cannot take a limit away again.
    base = meant.interfaces.others._replace(max_flows=None, max_memory=None, buffer=None)
    interfaces = meant.interfaces._replace(others=base, settings=tuple(own.items()))
    meant = meant._replace(interfaces=interfaces)
    assert parse(text(meant).encode()) == (meant, [])


def test_an_own_table_comes_before_patterns_and_the_first_pattern_before_others() -> None:
    source = """[interfaces]
vlan = true
[interfaces."eth*"]
min-size = 1
[interfaces."*0"]
min-size = 2
[interfaces.eth0]
min-size = 3
"""
    found = parse(source.encode())[0].interfaces
    assert [found.of(name).min_size for name in ("eth0", "eth1", "wlan0", "lo")] == [3, 1, 2, 0]
    assert all(found.of(name).vlan for name in ("eth0", "eth1", "wlan0", "lo"))


@pytest.mark.parametrize(
    ("common", "own", "kept"),
    [
        ("", "addresses-only = true", (True, "all")),
        ("addresses-only = true", "ports = 'none'", (False, "none")),
        ("addresses-only = true", "addresses-only = false", (False, "service")),
        ("addresses-only = true", "vlan = true", (True, "all")),
        ("ports = 'none'", "addresses-only = true", (True, "all")),
        ("ports = 'none'", "", (False, "none")),
    ],
)
def test_addresses_only_and_ports(common: str, own: str, kept: tuple[bool, str]) -> None:
    found, wrong = parse(f"[interfaces]\n{common}\n[interfaces.e]\n{own}\n".encode())
    assert not wrong
    assert (found.interfaces.of("e").addresses_only, found.interfaces.of("e").ports) == kept


def test_the_sample_says_the_defaults_and_every_key() -> None:
    """What stands behind a # is correct; where it has a default, it is that."""
    assert parse(SAMPLE.encode(), "bpft.toml") == (Config(file="bpft.toml"), [])
    whole = re.sub(r"^#(?=[a-z\[])", "", SAMPLE, flags=re.M)
    assert mistakes(whole) == []
    for section, known in keys().items():
        assert f"\n[{section}]\n" in SAMPLE
        for key in known:
            assert re.search(rf"^#{key} = ", SAMPLE, re.M), key
    without_default = (
        "names|exclude|max-flows|max-memory|buffer|rotate|zone|logs|dumps|name|office|servers|hosts|leases"
    )
    whole = re.sub(rf"^({without_default}) = .*\n", "", whole, flags=re.M)
    whole = whole.partition("[interfaces.eth0]")[0] + "[times]" + whole.partition("[times]")[2]
    assert parse(whole.encode()) == (Config(file="bpft.toml"), [])


def test_the_page_describes_every_key() -> None:
    for section, known in keys().items():
        part = PAGE.partition(f".Ss [{section}]")[2].partition(".Ss ")[0].partition(".Sh ")[0]
        assert part, section
        assert sorted(re.findall(r"^\.It Ic (\S+)$", part, re.M)) == sorted(known)


@pytest.mark.parametrize("number", range(2))
def test_the_examples_of_the_page_are_right(number: int) -> None:
    assert mistakes(re.findall(r"^\.Bd .*\n((?:.*\n)*?)\.Ed", PAGE, re.M)[number]) == []


def test_no_file(tmp_path: Path) -> None:
    where = paths(str(tmp_path))
    assert config.load(where) == Config()
    assert config.places(str(tmp_path)).logs == where.logs
    (tmp_path / "etc").write_text("")
    assert config.load(where) == Config()


def test_directories(tmp_path: Path) -> None:
    file = Path(paths(str(tmp_path)).config)
    file.parent.mkdir(parents=True)
    file.write_text("[directories]\ndumps = '/dev/shm/d'\n")
    where = config.places(str(tmp_path))
    assert (where.logs, where.dumps) == (paths(str(tmp_path)).logs, tmp_path / "dev/shm/d")
    file.write_text("[directories]\nlogs = 3\nx = 4\n")
    with pytest.raises(config.BadConfig, match=r"bpft.toml:2: logs is .* \(1 more: bpft config check\)"):
        config.places(str(tmp_path))


def test_reports_look_into_the_directories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(paths(str(tmp_path)).config)
    file.parent.mkdir(parents=True)
    sample = str(PROJECT / "tests/captures/sample.pcap")
    assert trafd.main(["--root", str(tmp_path), "--read", sample, "-f", "office"]) == 0
    (tmp_path / "var/lib/bpft").rename(tmp_path / "logs")
    assert main.run(["report", "all", "--root", str(tmp_path), "--json"]) == 1
    file.write_text("[directories]\nlogs = '/logs'\n")
    assert main.run(["report", "all", "--root", str(tmp_path), "--json"]) == 0
    file.write_text("[directories]\nlog = '/logs'\n")
    capsys.readouterr()
    assert main.run(["report", "all", "--root", str(tmp_path)]) == 1
    assert "did you mean logs?" in capsys.readouterr().err


def test_a_name_is_not_the_log_of_another_interface() -> None:
    content = '[interfaces]\nnames = ["a", "b"]\n[interfaces.a]\next = "b"\n'
    _, mistakes = parse(content.encode(), "f")
    assert [str(one) for one in mistakes] == ["f:2: b is the ext of a; each interface needs a log of its own"]
    assert not parse(content.replace('"b"]', '"a*"]').encode(), "f")[1]


# ---- bpft config ----


def check(tmp_path: Path, content: str | bytes, *words: str) -> int:
    file = tmp_path / "f.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return main.run(["config", *(words or ("check",)), str(file)])


def test_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, SAMPLE) == 0
    assert capsys.readouterr().out == f"{tmp_path}/f.toml: no mistakes\n"
    assert check(tmp_path, "[times]\nx = 1\ny = 2\n") == 1
    out, err = capsys.readouterr()
    assert [line.partition(": ")[2].partition(": ")[0] for line in err.splitlines()] == [
        f"{tmp_path}/f.toml:{line}" for line in (2, 3)
    ]
    assert not out
    assert check(tmp_path, "[times]\nx = 1\n", "show") == 1
    assert not capsys.readouterr().out


def test_expressions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = "[interfaces]\nfilter = 'tcp port 80'\n[interfaces.w]\nfilter = '''type mgt\n or arp'''\n"
    assert check(tmp_path, good) == 0, capsys.readouterr().err
    bad = "[interfaces]\nfilter = 'tcp prot 80'\n[interfaces.a]\n[interfaces.b]\nvlan = true\nfilter = 'ether host 1'\n"
    assert check(tmp_path, bad) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[2] for line in lines] == ["2", "6"]
    assert "syntax error; see pcap-filter(7)" in lines[0]


def test_a_file_that_is_not_there_or_open_to_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["config", "check", str(tmp_path / "none.toml")]) == 1
    assert main.run(["config", "check", "--root", str(tmp_path)]) == 0
    assert "there is none, so the defaults are in force" in capsys.readouterr().out
    (tmp_path / "f.toml").touch(0o666)
    (tmp_path / "f.toml").chmod(0o666)
    assert check(tmp_path, "") == 1
    assert f"close it with: chmod o-w {tmp_path}/f.toml" in capsys.readouterr().err
    assert main.run(["config", "check", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"bpft: {tmp_path}: cannot be read: Is a directory\n"
    assert check(tmp_path, b"#" * 1_000_001) == 1
    assert main.run(["config", "tidy"]) == 127


def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(tmp_path, "[interfaces]\nnames = ['lo', 'ppp9']\n", "show") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"# {tmp_path}/f.toml\n[interfaces]\n")
    assert "\n# trafstart counts lo, ppp9:\n" in out
    assert re.search(r"^#   lo +yes named in the configuration$", out, re.M)
    again = parse(out.encode())
    assert again[1] == []
    assert again[0].interfaces.names == ("lo", "ppp9")


def test_check_a_user_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert check(tmp_path, "[user]\nname = 'no-such-user'\n") == 1
    assert "f.toml:2: no-such-user: there is no such user; make one with: useradd" in capsys.readouterr().err
    assert check(tmp_path, "[user]\nname = 'nobody'\n") == 0


def test_show_without_a_file_says_whose_defaults_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main.run(["config", "--root", str(tmp_path)])
    assert "the defaults, of the services and trafd --config; trafstart asks for less then" in capsys.readouterr().out
