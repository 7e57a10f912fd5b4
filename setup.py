"""Builds the C core as one extension for the limited API of Python 3.11 (abi3)."""

from pathlib import Path

from setuptools import Extension, setup

setup(
    license="BSD-2-Clause",
    ext_modules=[
        Extension(
            "bpft.core._core",
            sources=sorted(map(str, Path("bpft/core").glob("*.c"))),
            depends=sorted(map(str, Path("bpft/core").glob("*.h"))),
            libraries=["pcap"],
            extra_compile_args=["-std=c11", "-O3", "-Wall", "-Wextra", "-fvisibility=hidden"],
            define_macros=[("Py_LIMITED_API", "0x030B0000"), ("_GNU_SOURCE", None)],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
