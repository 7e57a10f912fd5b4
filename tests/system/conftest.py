"""Fixtures of the system tests: a silent link between two namespaces, and daemons on it that end with the test."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab import Link, Namespace, obstacle
from suite import Daemon


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 256 KiB; the namespaces are made after it, and so have it too."""
    if reason := obstacle():
        pytest.skip(reason)
    path = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.fixture(scope="session")
def namespaces(disk: Path) -> Iterator[tuple[Namespace, Namespace]]:
    pair = Namespace(), Namespace()
    yield pair
    for namespace in pair:
        namespace.close()


@pytest.fixture(scope="session")
def links(namespaces: tuple[Namespace, Namespace]) -> Iterator[tuple[Link, Link]]:
    pair = Link(*namespaces, 0), Link(*namespaces, 1)
    yield pair
    for link in pair:
        link.close()


@pytest.fixture
def link(links: tuple[Link, Link]) -> Link:
    return links[0]


@pytest.fixture
def make_daemon(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes the (not yet started) daemon of a link's far end, or another interface, below the test's directory."""
    made: list[Daemon] = []

    def make(link: Link, root: Path = tmp_path, *, interface: str = "", near: bool = False) -> Daemon:
        end = link.near if near else link.far
        made.append(Daemon(end.namespace, interface or end.interface, root))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture
def daemon(make_daemon: Callable[[Link], Daemon], link: Link) -> Daemon:
    return make_daemon(link)
