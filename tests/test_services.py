"""What a service manager is given: the unit's words are trafd's, its sandbox is tight, rc.d calls what there is."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from bpft.cli.trafd import trafd
from bpft.paths import paths

PROJECT = Path(__file__).resolve().parents[1]
UNIT = PROJECT / "share/systemd/trafd@.service"
MOST_EXPOSURE = 1.5

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")


def values(section: str, key: str) -> list[str]:
    """Every value of a key; a unit may have it more than once."""
    text = UNIT.read_text().partition(f"[{section}]\n")[2].partition("\n[")[0]
    return re.findall(rf"^{key}=(.*)$", text, re.M)


def test_the_unit_starts_what_there_is() -> None:
    (start,), (reload,) = values("Service", "ExecStart"), values("Service", "ExecReload")
    program, *words = shlex.split(start.replace("%i", "wg-home.7"))
    options = trafd.make_context(program, words).params
    assert (program, options["interface"], options["foreground"], options["configured"]) == (
        "trafd",
        "wg-home.7",
        True,
        True,
    )
    assert shlex.split(reload) == ["trafdump", "%i"]
    assert values("Service", "Type") == ["notify"]


def test_the_unit_can_write_where_trafd_does() -> None:
    where = paths("", "linux")
    (state,), (run,) = values("Service", "StateDirectory"), values("Service", "RuntimeDirectory")
    assert [f"/var/lib/{name}" for name in state.split()] == [str(where.logs), str(where.dumps)]
    assert f"/run/{run}" == str(where.run)
    made = re.findall(r"^d (\S+) ", (PROJECT / "share/tmpfiles.d/bpft.conf").read_text(), re.M)
    assert made == [str(where.run), str(where.logs), str(where.dumps)]


def test_a_stop_may_take_as_long_as_the_last_dump_is_tried() -> None:
    from bpft.daemon.keeper import RETRY_FOR_S

    (stop,) = values("Service", "TimeoutStopSec")
    assert int(stop) > RETRY_FOR_S


def test_the_unit_may_ask_whether_the_clock_is_right() -> None:
    """A block of a machine without a clock must say so; C libraries ask by either call."""
    assert {"adjtimex", "clock_adjtime"} <= set(values("Service", "SystemCallFilter")[-1].split())
    assert not values("Service", "ProtectClock")


@needs_systemd
def test_systemd_knows_every_word_of_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "trafd@.service"
    unit.write_text(re.sub(r"^(Exec\w+)=\w+", r"\1=/bin/true", UNIT.read_text(), flags=re.M))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / "trafd@eth0.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_unit_is_hardly_exposed() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found
    assert float(found[1]) <= MOST_EXPOSURE


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="no systemd-sysusers here")
def test_user_and_directories_are_made(tmp_path: Path) -> None:
    for name in ("etc", "run", "var/lib"):
        (tmp_path / name).mkdir(parents=True)
    share = PROJECT / "share"
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", share / "sysusers.d/bpft.conf"], check=True)
    user = next(line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("bpft:"))
    assert user.endswith(":/var/lib/bpft:/usr/sbin/nologin")
    if shutil.which("systemd-tmpfiles") is None:
        pytest.skip("no systemd-tmpfiles here")
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}", share / "tmpfiles.d/bpft.conf"], check=True)
    modes = {
        name: (tmp_path / name).stat().st_mode & 0o777 for name in ("run/bpft", "var/lib/bpft", "var/lib/bpft/tmp")
    }
    assert modes == {"run/bpft": 0o755, "var/lib/bpft": 0o750, "var/lib/bpft/tmp": 0o750}


# ---- FreeBSD ----

RC_SUBR = """\
load_rc_config() { :; }
warn() { echo "warning: $*" >&2; }
err() { shift; echo "error: $*" >&2; exit 1; }
checkyesno() { eval "case \\$$1 in [Yy][Ee][Ss]) true ;; *) false ;; esac"; }
run_rc_command() {
	checkyesno "$rcvar" || case $1 in one*) ;; *) return 0 ;; esac
	verb=${1#one}
	case $verb in start | stop | restart) ;; *)
		case " $extra_commands " in *" $verb "*) ;; *) echo "unknown: $verb" >&2; exit 1 ;; esac ;;
	esac
	if [ "$verb" = restart ]; then run_rc_command stop; run_rc_command start; return; fi
	eval "command=\\${${verb}_cmd}"
	$command
}
"""
TOOL = '#!/bin/sh\necho "${0##*/} $*" >>"$CALLS"\n[ ! -e "$CALLS.fail" ]\n'


class FreeBsd:
    """rc.d/trafd between a stub of rc.subr and stubs of the programs."""

    def __init__(self, root: Path) -> None:
        self.calls = root / "calls"
        (root / "bin").mkdir()
        for name in ("trafd", "trafdump", "trafsave", "trafstop", "bpft"):
            (root / "bin" / name).write_text(TOOL)
            (root / "bin" / name).chmod(0o755)
        (root / "rc.subr").write_text(RC_SUBR)
        script = (PROJECT / "rc.d/trafd").read_text()
        assert ". /etc/rc.subr" in script
        assert "/usr/local/bin" in script
        self.script = root / "trafd"
        self.script.write_text(
            script.replace("/etc/rc.subr", str(root / "rc.subr")).replace("/usr/local/bin", str(root / "bin"))
        )
        self.log = root / "trafd.log"

    def run(self, *words: str, **conf: str) -> tuple[int, list[str], str]:
        """Exit code, calls, standard error."""
        self.calls.write_text("")
        settings = {"trafd_enable": "YES", "trafd_log": str(self.log), **conf}
        done = subprocess.run(
            ["sh", self.script, *words],
            env={"PATH": "/usr/bin:/bin", "CALLS": str(self.calls), **settings},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, self.calls.read_text().splitlines(), done.stderr


@pytest.fixture
def freebsd(tmp_path: Path) -> FreeBsd:
    return FreeBsd(tmp_path)


def test_rc_starts_and_asks_each_interface(freebsd: FreeBsd) -> None:
    two = {"trafd_ifaces": "em0 wg0"}
    assert freebsd.run("start", **two)[:2] == (0, ["trafd --config -i em0", "trafd --config -i wg0"])
    assert freebsd.run("stop", **two)[1] == ["trafstop em0", "trafstop wg0"]
    assert freebsd.run("reload", **two)[1] == ["trafdump em0", "trafdump wg0"]
    assert freebsd.run("save", **two)[1] == ["trafsave em0", "trafsave wg0"]
    assert freebsd.run("status", **two)[1] == ["bpft status em0", "bpft status wg0"]
    assert len(freebsd.log.read_text().splitlines()) == 8  # but for status
    assert "trafd: (em0) started" in freebsd.log.read_text()


def test_rc_has_flags_and_profiles(freebsd: FreeBsd) -> None:
    conf = {
        "trafd_ifaces": "em0 wg-1.7",
        "trafd_flags": "-p -r",
        "trafd_em0_flags": "-X",
        "trafd_wg_1_7_flags": "-r -m 0",
    }
    assert freebsd.run("start", **conf)[1] == ["trafd -X -i em0", "trafd -r -m 0 -i wg-1.7"]
    assert freebsd.run("start", "em0", **conf)[1] == ["trafd -X -i em0"]
    assert freebsd.run("stop", "igb7", **conf)[1] == ["trafstop igb7"]


def test_rc_goes_on_with_the_next_and_fails(freebsd: FreeBsd) -> None:
    freebsd.calls.with_suffix(".fail").touch()
    code, calls, _ = freebsd.run("start", trafd_ifaces="em0 wg0")
    assert (code, len(calls)) == (1, 2)
    assert "could not start" in freebsd.log.read_text()


def test_rc_says_what_is_missing(freebsd: FreeBsd) -> None:
    code, calls, told = freebsd.run("start")
    assert (calls, "name the interfaces" in told) == ([], True)
    assert freebsd.run("start", trafd_enable="NO", trafd_ifaces="em0")[1] == []
    assert freebsd.run("onestart", trafd_enable="NO", trafd_ifaces="em0")[1] == ["trafd --config -i em0"]
    assert code == 1
