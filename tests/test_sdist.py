"""The sdist holds the whole project: it can be built, installed and tested from it alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, built from a copy of what git has, and unpacked."""
    if not (PROJECT / ".git").exists():
        pytest.skip("this is no clone")
    place = tmp_path_factory.mktemp("sdist")
    for name in tracked():
        (place / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, place / "copy" / name)
    build = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, place], cwd=place / "copy", check=True, capture_output=True)
    [made] = place.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", made, "-C", place], check=True)
    return place / made.name.removesuffix(".tar.gz")


def tracked() -> list[str]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, check=True, capture_output=True).stdout
    return [name for name in names.decode().split("\0") if (PROJECT / name).is_file()]


def test_it_holds_every_file(unpacked: Path) -> None:
    missing = [name for name in tracked() if not (unpacked / name).is_file()]
    assert missing == [".gitignore"]
    assert not list(unpacked.rglob("*.so"))


def test_what_is_built_of_it_passes_its_own_tests(unpacked: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip = ["pip", "--disable-pip-version-check", "install", "--no-deps", "--no-build-isolation", "--target", site]
    subprocess.run([sys.executable, "-m", *pip, unpacked], check=True, capture_output=True)
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
