#!/bin/sh
# Makes .venv with bpft built in it, after installing what that needs: prepare.sh [run|check], "check" adds the tools of the tests.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-run}
python=${PYTHON:-python3}
packages=

say() { printf 'bpft: %s\n' "$*"; }
fail() {
	printf 'bpft: %s\n' "$*" >&2
	exit 1
}

# quietly COMMAND...: keeps its words for .prepare.log, and shows the last of them where it fails.
quietly() {
	"$@" >.prepare.log 2>&1 && rm -f .prepare.log && return
	tail -n 4 .prepare.log >&2
	return 1
}

# need PACKAGES WHY COMMAND...: notes packages that are missing, that is when COMMAND fails.
need() {
	names=$1 why=$2
	shift 2
	"$@" >/dev/null 2>&1 && return
	packages="$packages $names"
	say "missing: $names ($why)"
}

compiles() { printf '#include <%s>\n' "$1" | cc -E -o /dev/null -; }
python_header() { "$python" -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("include"), "Python.h").stat()'; }

command -v "$python" >/dev/null || fail "no $python here; install Python 3.11 or later, with its venv module"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is too old: bpft needs Python 3.11 or later (name another with PYTHON=...)"

need "gcc libc6-dev" "compiles the C core" command -v cc
need libpcap-dev "the capture library the core is built on" compiles pcap/pcap.h
need python3-dev "Python's headers, for the core and for python-libpcap" python_header
need python3-venv "keeps what is installed inside .venv" "$python" -c 'import ensurepip, venv'
if [ "$purpose" = check ]; then
	need make "runs the steps of the check" command -v make
	need iproute2 "network namespaces for the system tests" command -v ip
	need ethtool "switches offloads in the system tests" command -v ethtool
	need tcpdump "the second opinion of the system tests" command -v tcpdump
	need mandoc "checks the manual pages" command -v mandoc
	need shellcheck "checks the shell scripts" command -v shellcheck
fi

if [ -n "$packages" ]; then
	if ! command -v apt-get >/dev/null; then
		fail "install these first (Debian's names):$packages
      Fedora: gcc libpcap-devel python3-devel   Alpine: gcc musl-dev libpcap-dev python3-dev   Arch: gcc libpcap   FreeBSD: python3 (the rest is in base)"
	fi
	[ "$(id -u)" = 0 ] || fail "only root can install them; run this, then try again:
      sudo apt-get update && sudo apt-get install --no-install-recommends$packages"
	say "installing with apt-get:$packages"
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086  # a list of words
	{ quietly apt-get -qq update && quietly apt-get -qq install --yes --no-install-recommends $packages; } ||
		fail "apt-get could not install them; the lines above say why, and .prepare.log says it all. It needs the network: check that, then try again"
fi

stamp=.venv/prepared-$purpose
if [ ! -e "$stamp" ] || [ -n "$(find pyproject.toml setup.py bpft/core -newer "$stamp" \( -name '*.toml' -o -name '*.py' -o -name '*.[ch]' \))" ]; then
	extra=
	[ "$purpose" = check ] && extra='[dev]'
	say "building bpft and its Python packages into .venv; the first time takes about a minute"
	[ -x .venv/bin/python ] || "$python" -m venv .venv || fail "cannot make .venv here: is this directory writable?"
	quietly .venv/bin/python -m pip --disable-pip-version-check install --quiet --editable ".$extra" ||
		fail "pip could not build or fetch what is needed; the lines above say why, and .prepare.log says it all. Packages come over the network: check that, then try again"
	.venv/bin/python -m compileall -qq bpft || : # else every start compiles, where PYTHONDONTWRITEBYTECODE is set
	touch .venv/prepared-run "$stamp"
fi
