"""The sdist holds the whole project: it can be built, installed and tested from it alone, the same each time."""

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


#: Seconds since 1970: the time of every file in archives made with it.
EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist of what git has."""
    return sdist(tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(made: Path) -> Path:
    subprocess.run(["tar", "-xzf", made, "-C", made.parent], check=True)
    return made.parent / made.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def prefix(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sdist is installed, without a network."""
    prefix = tmp_path_factory.mktemp("prefix")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--no-deps"]
    # What is installed here already is another one.
    apart = ["--ignore-installed", "--no-build-isolation", "--no-warn-script-location", "--prefix", prefix]
    subprocess.run([*pip, *apart, unpacked], check=True, capture_output=True)
    return prefix


@pytest.fixture(scope="module")
def site(prefix: Path) -> Path:
    """The directory that Python imports it from."""
    [package] = prefix.rglob("bpft/__init__.py")
    return package.parents[1]


def sdist(place: Path, source: Path = PROJECT) -> Path:
    """The sdist, built in place from a copy of source."""
    if not (PROJECT / ".git").exists():
        pytest.skip("this is no clone")
    for name in tracked():
        (place / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, place / "copy" / name)
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    command = [sys.executable, "-c", build, place]
    subprocess.run(command, cwd=place / "copy", env=os.environ | EPOCH, check=True, capture_output=True)
    [made] = place.glob("*.tar.gz")
    return made


def tracked() -> list[str]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, check=True, capture_output=True).stdout
    return [name for name in names.decode().split("\0") if (PROJECT / name).is_file()]


def test_it_holds_every_file(unpacked: Path) -> None:
    missing = [name for name in tracked() if not (unpacked / name).is_file()]
    assert missing == [".gitignore"]
    assert not list(unpacked.rglob("*.so"))


def test_it_is_the_same_each_time(made: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    again = sdist(tmp_path / "elsewhere", made.parent / "copy")
    assert filecmp.cmp(made, again, shallow=False)


def test_all_that_is_shipped_beside_the_code_is_installed(unpacked: Path, prefix: Path, site: Path) -> None:
    """Manual pages, completions, units, samples: what lies in man/ and share/ has its place in pyproject.toml."""
    installed = {(path.name, path.read_bytes()) for path in prefix.rglob("*") if path.is_file()}
    shipped = [path for folder in ("man", "share") for path in (unpacked / folder).rglob("*") if path.is_file()]
    assert shipped
    assert [path for path in shipped if (path.name, path.read_bytes()) not in installed] == []
    assert (site.parents[2] / "share/man/man8/trafd.8").is_file()
    [licence] = site.glob("bpft-*.dist-info/**/LICENSE")
    assert licence.read_text() == (PROJECT / "LICENSE").read_text()


def test_what_is_built_tells_nothing_of_where(unpacked: Path, site: Path) -> None:
    [core] = site.glob("bpft/core/*.so")
    assert str(unpacked).encode() not in core.read_bytes()


def test_what_is_built_of_it_passes_its_own_tests(unpacked: Path, site: Path) -> None:
    some = [
        "test_docs.py::test_the_examples_of_the_readme_are_real",
        "test_golden.py",
        "test_magic.py",
        "test_paths.py",
    ]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", *(f"tests/{name}" for name in some)],
        cwd=unpacked,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
