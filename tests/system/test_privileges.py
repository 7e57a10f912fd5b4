"""What a running trafd may do, whose its files are, and what is said to those who may not read them."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import Link, Namespace, add
from suite import Daemon, environment, program, rows, until

NET_RAW = 1 << 13
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
#: A person who is not in any group of ours.
ALICE = ("setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups")
ACCOUNTS = {
    "passwd": "root:x:0:0::/root:/bin/sh\nbpft:x:4711:4712::/:/bin/false\nalice:x:4242:4242::/:/bin/sh\n",
    "group": "root:x:0:\nbpft:x:4711:\nalice:x:4242:\nown:x:4712:\n",
}


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def sets(pid: int) -> tuple[int, ...]:
    """Permitted, effective, inheritable, ambient and bounding capabilities."""
    found = status_of(pid)
    return tuple(int(found[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd"))


def threads(pid: int) -> list[int]:
    return [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]


@pytest.fixture
def open_root() -> Iterator[Path]:
    """A root that other users can enter, unlike those that pytest makes."""
    root = Path(f"/tmp/bpft-privileges-{os.getpid()}")
    root.mkdir(mode=0o755)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def dropped(make_daemon: Callable[..., Daemon], link: Link, open_root: Path) -> Iterator[Daemon]:
    """A daemon that is to be started with --user nobody."""
    daemon = make_daemon(link, open_root)
    yield daemon
    daemon.close()


def test_root_becomes_nobody_for_good(dropped: Daemon, link: Link) -> None:
    """CAP_NET_RAW stays for an interface that may come back; nothing else does, in no thread."""
    dropped.start("-m", "0", "--user", "nobody")
    sent = link.udp(3, 100)
    for thread in threads(dropped.pid):
        found = status_of(thread)
        assert found["Uid"].split() == ["65534"] * 4
        assert found["Gid"].split() == ["65534"] * 4
        assert found["Groups"] == ""
        assert found["NoNewPrivs"] == "1"
        assert sets(thread) == (NET_RAW, NET_RAW, 0, 0, 0)
    dropped.do("trafsave")
    again = link.udp(4, 100)
    dropped.do("trafdump")
    assert rows(dropped.log) == sent
    for path in (dropped.log, dropped.dump):
        assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (65534, 0o640)
    dropped.stop()
    dropped.start("-r", "-m", "0", "--user", "nobody")
    dropped.do("trafsave")
    assert rows(dropped.log) == add(sent, again)


def test_root_by_hand_follows_the_user_of_the_logs(dropped: Daemon, link: Link) -> None:
    """Nothing is left behind that the service, which that user runs, could not open."""
    dropped.log.parent.mkdir(parents=True)
    os.chown(dropped.log.parent, 65534, 65534)
    dropped.start("-m", "0")
    assert status_of(str(dropped.pid))["Uid"].split() == ["65534"] * 4
    link.udp(3, 100)
    dropped.do("trafsave")
    dropped.stop()
    left = [path for path in dropped.root.rglob("*") if path.is_file()]
    assert dropped.log in left
    assert {path.stat().st_uid for path in left} == {65534}


def test_loopback_needs_no_capability(namespaces: tuple[Namespace, Namespace], open_root: Path) -> None:
    for interface in ("lo", "any"):
        daemon = Daemon(namespaces[0], interface, open_root)
        try:
            daemon.start("--user", "nobody")
            assert [sets(thread) for thread in threads(daemon.pid)] == [(0, 0, 0, 0, 0)] * 2
        finally:
            daemon.close()


def test_nobody_opens_an_interface_that_came_back(
    make_daemon: Callable[..., Daemon], namespaces: tuple[Namespace, Namespace], open_root: Path
) -> None:
    link = Link(*namespaces, 6)
    daemon = make_daemon(link, open_root)
    daemon.start("-m", "0", "--user", "nobody")
    before = link.udp(3, 100)
    link.close()
    until(daemon.dump.exists, 3, "the dump of what was counted")
    link = Link(*namespaces, 6)
    try:
        until(lambda: daemon.status()["state"] == "capturing", 2, "counting again")
        after = link.udp(4, 100)
        daemon.stop()
        assert rows(daemon.dump) == add(before, after)
    finally:
        link.close()


def test_capture_without_root(dropped: Daemon, link: Link) -> None:
    """CAP_NET_RAW is enough; what else whoever started it had is given up."""
    dropped.root.chmod(0o777)
    capabilities = ("--inh-caps=-all,+net_raw,+net_admin", "--ambient-caps=-all,+net_raw,+net_admin")
    line = [*NOBODY, *capabilities, *program("trafd"), "--root", str(dropped.root), "-i", dropped.interface, "-m", "0"]
    result = subprocess.run(dropped.namespace.command(*line), capture_output=True, text=True, env=environment())
    assert result.returncode == 0, result.stderr
    sent = link.udp(3, 100)
    assert status_of(dropped.pid)["Uid"].split() == ["65534"] * 4
    assert status_of(dropped.pid)["NoNewPrivs"] == "1"
    assert sets(dropped.pid)[:4] == (NET_RAW, NET_RAW, 0, 0)
    dropped.stop()
    assert rows(dropped.dump) == sent


def test_without_the_capability_it_says_what_is_missing(dropped: Daemon) -> None:
    dropped.root.chmod(0o777)
    line = [*NOBODY, *program("trafd"), "--root", str(dropped.root), "-i", dropped.interface]
    result = subprocess.run(dropped.namespace.command(*line), capture_output=True, text=True, env=environment())
    assert result.returncode == 1
    assert "no permission to capture; run as root, or give CAP_NET_RAW" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("what", ["directory", "log", "dump", "lock"])
def test_what_is_there_must_be_the_users(dropped: Daemon, link: Link, what: str) -> None:
    """Files of a daemon that was root: one line with the remedy, which works."""
    dropped.start("-m", "0")
    link.udp(3, 100)
    dropped.do("trafsave")
    dropped.stop()
    logs = dropped.log.parent
    paths = {
        "directory": logs,
        "log": dropped.log,
        "dump": dropped.dump,
        "lock": logs / f".trafd.{dropped.interface}.lock",
    }
    for path in (logs, *logs.rglob("*")):
        os.chown(path, 65534, 65534)
    os.chown(paths[what], 0, 0)
    result = dropped.attempt("-r", "--user", "nobody")
    assert result.returncode == 1
    assert str(paths[what]) in result.stderr
    remedy = result.stderr.partition("give it away: ")[2].split()
    assert remedy[:3] == ["chown", "-R", "nobody"]
    assert "no trafd runs here" in dropped.tool("trafdump").stderr
    subprocess.run(remedy, check=True)
    dropped.start("-r", "--user", "nobody")


def test_the_directory_of_pid_files_may_stay_roots(dropped: Daemon, link: Link) -> None:
    """As on BSD, where it is /var/run: root makes before what is made there, and what is left misleads nobody."""
    (dropped.root / "run/bpft").mkdir(parents=True)
    for _ in range(2):
        dropped.start("-m", "0", "--user", "nobody")
        dropped.do("trafdump")
        dropped.stop()
        assert dropped.pid_file.read_text() == ""
        result = dropped.tool("trafdump")
        assert result.returncode == 1
        assert "no trafd runs here" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--user", "no-such-user"), "there is no such user"),
        (("--user", ""), ""),
    ],
)
def test_users_that_are_none(daemon: Daemon, words: tuple[str, ...], said: str) -> None:
    result = daemon.attempt(*words)
    assert result.returncode == (1 if said else 0)
    assert said in result.stderr


def test_only_root_becomes_another_user(dropped: Daemon) -> None:
    line = [*NOBODY, *program("trafd"), "--root", str(dropped.root), "-i", dropped.interface, "--user", "daemon"]
    result = subprocess.run(dropped.namespace.command(*line), capture_output=True, text=True, env=environment())
    assert result.returncode == 1
    assert "only root becomes another user" in result.stderr


@pytest.mark.parametrize("name", ["log", "dump", "lock", "interface lock", "pid"])
@pytest.mark.parametrize("kind", ["symlink", "hard link"])
def test_links_are_refused(daemon: Daemon, tmp_path: Path, name: str, kind: str) -> None:
    """One clear line, nothing behind it touched.  A log by two names is one that somebody keeps a copy of."""
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    run_dir, logs = daemon.pid_file.parent, daemon.log.parent
    path = {
        "log": daemon.log,
        "dump": daemon.dump,
        "lock": logs / f".trafd.{daemon.interface}.lock",
        "interface lock": run_dir / f".trafd.{daemon.interface}.lock",
        "pid": daemon.pid_file,
    }[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(victim) if kind == "symlink" else path.hardlink_to(victim)
    result = daemon.attempt("-m", "0")
    assert victim.read_text() == "precious\n"
    if name == "dump" and kind == "hard link":
        assert "trafd.bt2~1.damaged" in result.stderr + " ".join(entry.name for entry in daemon.dump.parent.iterdir())
        return
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert str(path) in result.stderr
    if kind == "symlink":
        assert "is a symbolic link" in result.stderr


def test_a_dump_that_became_a_link_is_left_alone(daemon: Daemon, link: Link, tmp_path: Path) -> None:
    daemon.start("-m", "0")
    sent = link.udp(3, 100)
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    daemon.dump.symlink_to(victim)
    result = daemon.tool("trafdump")
    assert result.returncode == 1
    assert "is a symbolic link" in result.stdout + result.stderr
    assert victim.read_text() == "precious\n"
    daemon.do("trafsave")
    assert rows(daemon.log) == sent


def test_descriptors_that_were_left_open(daemon: Daemon, link: Link) -> None:
    """However many whoever started it left open: the capture is found and kept, theirs are closed."""
    hoard = (
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (2048, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "for _ in range(1200): os.set_inheritable(os.open('/dev/null', os.O_RDONLY), True)\n"
        "os.execv(sys.argv[1], sys.argv[1:])\n"
    )
    line = [
        sys.executable,
        "-c",
        hoard,
        *program("trafd"),
        "--root",
        str(daemon.root),
        "-i",
        daemon.interface,
        "-m",
        "0",
    ]
    result = subprocess.run(daemon.namespace.command(*line), capture_output=True, text=True, env=environment())
    assert result.returncode == 0, result.stderr
    assert len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) < 30
    sent = link.udp(3, 100)
    daemon.stop()
    assert rows(daemon.dump) == sent


# ---- with accounts of our own ----


@pytest.fixture
def accounts(tmp_path: Path) -> tuple[str, ...]:
    """The words before a command that runs it where there are the users bpft and alice, and the group bpft."""
    for name, text in ACCOUNTS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    binds = " && ".join(f"mount --bind {tmp_path / name} /etc/{name}" for name in ACCOUNTS)
    words = ("unshare", "--mount", "--propagation", "private", "sh", "-c", f'{binds} && exec "$@"', "sh")
    probe = subprocess.run([*words, "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"needs mounts of its own: {probe.stderr.strip()}")
    return words


def in_there(accounts: tuple[str, ...], *line: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*accounts, *map(str, line)], capture_output=True, text=True, env=environment(), stdin=subprocess.DEVNULL
    )


def start_there(accounts: tuple[str, ...], daemon: Daemon, *words: str) -> None:
    line = daemon.namespace.command(*accounts, *program("trafd"), "--root", daemon.root, "-i", daemon.interface, *words)
    result = subprocess.run(line, capture_output=True, text=True, env=environment(), stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("words", [(), ("--user", "bpft")])
def test_files_and_socket_are_of_the_group(
    accounts: tuple[str, ...], dropped: Daemon, link: Link, words: tuple[str, ...]
) -> None:
    """Also where the user's own group is another one; and members of the group are served."""
    start_there(accounts, dropped, "-m", "0", *words)
    link.udp(3, 100)
    dropped.do("trafsave")
    link.udp(3, 100)
    dropped.do("trafdump")
    assert status_of(dropped.pid)["Uid"].split()[1] == ("4711" if words else "0")
    for path in (dropped.log, dropped.dump):
        assert (path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (4711, 0o640)
    assert stat.S_IMODE(dropped.socket.stat().st_mode) == 0o660
    assert dropped.socket.stat().st_gid == 4711
    for directory in (dropped.log.parent, dropped.dump.parent):
        assert (directory.stat().st_gid, stat.S_IMODE(directory.stat().st_mode)) == (4711, 0o750)
    member = ("setpriv", "--reuid", "4242", "--regid", "4242", "--groups", "4711")
    for line in (
        [*program("trafdump"), "--root", dropped.root, dropped.interface],
        [*program("bpft"), "report", dropped.dump],
    ):
        result = in_there(accounts, *member, *line)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("trafdump",),
        ("trafsave",),
        ("trafstop",),
        ("bpft", "status"),
        ("bpft", "report"),
        ("bpft", "report", "DUMP"),
        ("bpft", "info", "DUMP"),
        ("bpft", "verify", "DUMP"),
        ("bpft", "export", "--format", "csv", "DUMP"),
        ("bpft", "merge", "DUMP", "-o", "/tmp/none"),
    ],
    ids=" ".join,
)
def test_a_denial_names_the_group(
    accounts: tuple[str, ...], dropped: Daemon, link: Link, words: tuple[str, ...]
) -> None:
    """Never "no data" or "none is running" to somebody who only lacks the permission."""
    start_there(accounts, dropped, "--user", "bpft")
    dropped.do("trafdump")
    name, *arguments = (str(dropped.dump) if word == "DUMP" else word for word in words)
    line = [*program(name), *arguments]
    result = subprocess.run(
        [*accounts, *ALICE, *line],
        capture_output=True,
        text=True,
        env=environment(BPFT_ROOT=str(dropped.root)),
        stdin=subprocess.DEVNULL,
    )
    assert result.returncode == 1, result.stderr
    assert "ermission denied; it is for root and the group bpft: usermod -aG bpft alice" in result.stderr
    assert all("ermission denied; it is for root and the group bpft" in line for line in result.stderr.splitlines())
    assert dropped.alive()


def test_all_of_what_cannot_be_listed(accounts: tuple[str, ...], dropped: Daemon) -> None:
    start_there(accounts, dropped, "--user", "bpft")
    dropped.socket.parent.chmod(0o750)
    for words in (program("trafdump"), [*program("bpft"), "status"]):
        result = in_there(accounts, *ALICE, *words, "--root", dropped.root)
        assert result.returncode == 1
        assert "usermod -aG bpft alice" in result.stderr
