"""Builds the C core as one extension for the limited API of Python 3.11 (abi3), and sdists that can be made again."""

import gzip
import os
import tarfile
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.sdist import sdist

#: What is built tells nothing of where it was.
ANYWHERE = f"-ffile-prefix-map={Path.cwd()}=."
#: Without -fno-tree-slp-vectorize gcc writes keys as two words and reads them back as one of 128 bits, which stalls.
CFLAGS = ["-std=c11", "-O3", "-fno-tree-slp-vectorize", "-Wall", "-Wextra", "-fvisibility=hidden", ANYWHERE]


class ReproducibleSdist(sdist):
    """An sdist whose bytes depend on the source alone, where SOURCE_DATE_EPOCH says the time of its files."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, **owner):
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        if epoch is None or format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, **owner)

        def told(member):
            member.mtime, member.uid, member.gid, member.uname, member.gname = int(epoch), 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        name = f"{base_name}.tar.gz"
        with (
            Path(name).open("wb") as file,
            gzip.GzipFile("", "wb", mtime=int(epoch), fileobj=file) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            archive.add(base_dir, filter=told)
        return name


setup(
    license="BSD-2-Clause",
    cmdclass={"sdist": ReproducibleSdist},
    ext_modules=[
        Extension(
            "bpft.core._core",
            sources=sorted(map(str, Path("bpft/core").glob("*.c"))),
            depends=sorted(map(str, Path("bpft/core").glob("*.h"))),
            libraries=["pcap"],
            extra_compile_args=CFLAGS,
            define_macros=[("Py_LIMITED_API", "0x030B0000"), ("_GNU_SOURCE", None)],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
