"""What bpft doctor sees of logs and dumps as they lie on a disk."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import old_files
import pytest
from blocks import record, table

from bpft import block as block_module
from bpft.block import MAGIC, Block
from bpft.doctor import gather as gathering
from bpft.doctor import judge, written
from bpft.doctor.facts import RECENT_NS, Dump
from bpft.doctor.gather import gather
from bpft.logfile import LogWriter, scan, write_dump
from bpft.paths import Paths, paths
from bpft.record import Header

HOUR = 3_600_000_000_000
#: Listens at its argument and answers nobody.
DEAF = """
import signal, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("ready", flush=True)
signal.pause()
"""
NOW = 1_795_000_000_000_000_000


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    found = paths(str(tmp_path))
    for directory in (found.logs, found.dumps, found.run):
        directory.mkdir(parents=True, exist_ok=True)
    return found


def header(number: int, end_ns: int = 0) -> Header:
    end_ns = end_ns or NOW + number * HOUR
    return Header(epoch=bytes([number]) * 16, begin_ns=end_ns - HOUR, end_ns=end_ns, interface="eth0")


def append(path: Path, *headers: Header) -> list[Block]:
    writer = LogWriter(path)
    for one in headers:
        writer.append(one, table((4, record())))
    return [found for found in scan(path) if isinstance(found, Block)]


def look(where: Paths) -> written.Log:
    (found,) = written.logs(where, NOW)
    return found


def test_the_blocks_of_a_week_are_told_oldest_first(where: Paths) -> None:
    blocks = append(where.log("eth0"), header(1, NOW - RECENT_NS - HOUR), header(2, NOW - HOUR), header(3, NOW))
    found = look(where)
    assert [it.header.epoch for it in found.recent] == [blocks[1].header.epoch, blocks[2].header.epoch]
    assert [it.length for it in found.recent] == [blocks[1].length, blocks[2].length]
    assert found.last == blocks[2].header
    assert (found.damage, found.trouble, found.denied, found.busy) == ("", "", "", False)


def test_undated_blocks_do_not_hide_what_is_before_them(where: Paths) -> None:
    append(where.log("eth0"), header(1, NOW - HOUR), header(2, 2 * HOUR), header(3, NOW))
    assert [it.header.epoch[0] for it in look(where).recent] == [1, 2, 3]


def test_a_block_that_two_files_hold_is_told_once(where: Paths) -> None:
    append(where.log("eth0"), header(1))
    where.log("eth0-2026-11-20").write_bytes(where.log("eth0").read_bytes())
    assert sum(len(it.recent) for it in written.logs(where, NOW)) == 1


@pytest.mark.parametrize("tail", [b"torn", MAGIC + b"\0" * 40, bytes(5000)])
def test_bytes_behind_the_last_block_are_told(where: Paths, tail: bytes) -> None:
    blocks = append(where.log("eth0"), header(1), header(2))
    size = where.log("eth0").stat().st_size
    with where.log("eth0").open("ab") as file:
        file.write(tail)
    found = look(where)
    assert found.damage.startswith(f"bytes {size} to {size + len(tail)} hold no whole block: ")
    assert found.last == blocks[-1].header
    assert len(found.recent) == 2


def test_a_last_block_with_a_flipped_bit_is_told(where: Paths) -> None:
    blocks = append(where.log("eth0"), header(1), header(2))
    content = bytearray(where.log("eth0").read_bytes())
    content[blocks[1].sections[0][0] + 20] ^= 1
    where.log("eth0").write_bytes(content)
    assert look(where).damage == f"its last block, at byte {blocks[1].offset}, is not as it was written"


def test_a_foreign_file_and_an_empty_one(where: Paths) -> None:
    where.log("eth0").write_bytes(b"")
    assert (look(where).trouble, look(where).damage, look(where).foreign) == ("", "", False)
    where.log("eth0").write_bytes(b"plain text\n")
    assert look(where).foreign


def test_a_log_of_an_old_bpft_is_no_damage(where: Paths) -> None:
    where.log("eth0").write_bytes(old_files.block("new", "little", [old_files.Entry()]))
    assert (look(where).trouble, look(where).damage) == ("", "")


def test_a_log_that_is_being_appended_to_is_busy(where: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "_PATIENCE_S", 0.05)
    append(where.log("eth0"), header(1))
    with where.log("eth0").open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert look(where).busy


def test_looking_holds_no_lock(where: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save must not wait for the doctor, however long the log is."""
    append(where.log("eth0"), header(1))
    free = []

    def verify(self: Block) -> None:
        with where.log("eth0").open("rb") as writer:
            fcntl.flock(writer, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free.append(True)

    monkeypatch.setattr(block_module.Block, "verify", verify)
    look(where)
    assert free == [True]


def test_a_dump_is_saved_when_its_log_has_it_or_more(where: Paths) -> None:
    append(where.log("eth0"), header(1))
    for number, later, saved in ((1, 0, True), (1, HOUR, False), (2, 0, False)):
        one = header(number)
        write_dump(where.dump("eth0"), one._replace(end_ns=one.end_ns + later), table((4, record())))
        (found,), aside = written.dumps(where, list(written.logs(where, NOW)))
        assert (found.saved, found.trouble, aside) == (saved, "", ())
        assert found.header is not None and found.header.epoch == one.epoch


def test_a_dump_that_a_daemon_holds_is_left_to_it(where: Paths) -> None:
    write_dump(where.dump("eth0"), header(1), table((4, record())))
    lock = where.lock("eth0")
    lock.write_text(f"{os.getpid()}\n")
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert [it.held for it in written.dumps(where, ())[0]] == [True]
    assert [it.held for it in written.dumps(where, ())[0]] == [False]


def test_damaged_dumps(where: Paths) -> None:
    where.dump("eth0").write_bytes(b"torn")
    where.damaged("eth0", 1).write_bytes(b"torn")
    (found,), aside = written.dumps(where, ())
    assert "not a readable dump" in found.trouble
    assert aside == (Dump(where.damaged("eth0", 1), "eth0", where.log("eth0")),)


# ---- daemons, and all of it together ----


def test_what_a_killed_daemon_left(where: Paths, tmp_path: Path) -> None:
    """Its lock names a process that is gone, or is somebody else's by now."""
    where.interface_lock("eth0").write_text(f"{os.getpid()}\n")
    where.pid("eth0").write_text(f"{os.getpid()}\n")
    (found,) = gather(str(tmp_path)).daemons
    assert (found.interface, found.pid, found.left) == ("eth0", "", (where.pid("eth0"),))


def test_a_daemon_whose_socket_is_gone(where: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_SETTLE_S", 0.01)
    where.interface_lock("eth0").write_text(f"{os.getpid()}\n")
    with where.interface_lock("eth0").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (found,) = gather(str(tmp_path)).daemons
    assert (found.trouble, found.pid) == ("gone", str(os.getpid()))


def test_how_a_daemon_was_started(where: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_SETTLE_S", 0.01)
    words = ["--root", str(tmp_path), "-i", "eth0", "not port 22"]
    program = tmp_path / "trafd"
    program.write_text("import signal; print('ready', flush=True); signal.pause()")
    line = [sys.executable, str(program), *words]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as sleeper, where.interface_lock("eth0").open("wb") as held:
        assert sleeper.stdout is not None
        sleeper.stdout.readline()
        held.write(b"%d\n" % sleeper.pid)
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        (found,) = gather(str(tmp_path)).daemons
        sleeper.kill()
    assert (found.command, found.unit) == (tuple(words), "")


@pytest.mark.parametrize(
    ("group", "unit"),
    [
        ("0::/system.slice/system-trafd.slice/trafd@eth0.service\n", "trafd@eth0.service"),
        ("0::/user.slice/user-0.slice/session-3.scope\n", ""),
        ("0::/system.slice/ssh.service\n", ""),  # whoever logged in started it by hand
        ("1:name=systemd:/system.slice/system-trafd.slice/trafd@br-lan.service\n0::/\n", "trafd@br-lan.service"),
    ],
)
def test_a_cgroup_names_the_unit(group: str, unit: str) -> None:
    found = gathering._UNIT.search(group)
    assert (found[1] if found else "") == unit


def test_a_daemon_that_hangs_is_waited_for_a_moment_only(
    where: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "_ANSWER_WITHIN_S", 0.2)
    line = [sys.executable, "-c", DEAF, str(where.socket("eth0"))]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as deaf:
        assert deaf.stdout and deaf.stdout.readline()
        where.interface_lock("eth0").write_text(f"{deaf.pid}\n")
        try:
            (found,) = gather(str(tmp_path)).daemons
        finally:
            deaf.kill()
    assert found.trouble == "silent"


def test_enabled_services_are_to_run(tmp_path: Path) -> None:
    for target in ("multi-user.target", "sys-subsystem-net-devices-eth0.device"):
        wants = tmp_path / f"etc/systemd/system/{target}.wants"
        wants.mkdir(parents=True)
        (wants / "trafd@eth0.service").symlink_to("/lib/systemd/system/trafd@.service")  # need not be there
        (wants / "sshd.service").touch()
    assert gather(str(tmp_path)).enabled == ("eth0",)


def test_a_configuration_that_is_wrong_is_a_finding(tmp_path: Path) -> None:
    file = tmp_path / "etc/bpft/bpft.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[interfaces]\nnames = 7\n")
    (found,) = [it for it in judge(gather(str(tmp_path))) if it.check == "configuration"]
    assert found.status == "problem"
    assert str(file) in found.seen


def test_interfaces_that_the_configuration_names_are_to_be_counted(tmp_path: Path) -> None:
    file = tmp_path / "etc/bpft/bpft.toml"
    file.parent.mkdir(parents=True)
    file.write_text('[interfaces]\nnames = ["lo", "gone9"]\n')
    facts = gather(str(tmp_path))
    assert facts.configured == ("lo", "gone9")
    assert {it.subject for it in judge(facts) if it.status == "problem"} >= {"lo gone9", "gone9"}
