#!/bin/sh
# From a fresh clone to a table of who talks: try.sh [INTERFACE|CAPTURE].  Ctrl-C saves and prints the report.
set -eu
cd "$(dirname "$0")"
bin=.venv/bin

say() { printf 'bpft: %s\n' "$*"; }

case ${1-} in
-h | --help)
	echo "usage: ./try.sh [INTERFACE|CAPTURE]   counts an interface (default: the one of the default route) or a capture file"
	exit 0
	;;
-*)
	echo "bpft: unknown option $1; usage: ./try.sh [INTERFACE|CAPTURE]" >&2
	exit 127
	;;
esac
capture=
[ -f "${1-}" ] && capture=$1
sh scripts/prepare.sh run

root=${BPFT_ROOT:-demo}
{ mkdir -p "$root" && [ -w "$root" ]; } 2>/dev/null || root=$(mktemp -d)

# report EXT: what its log and its dump hold.
report() {
	set -- "$root/var/lib/bpft/trafd.$1" "$root/var/lib/bpft/tmp/trafd.$1"
	[ -e "$2" ] || set -- "$1"
	[ -e "$1" ] || shift
	"$bin/bpft" report "$@"
	say "ask more, for instance:"
	echo "    $bin/bpft report $* --by host"
	echo "    $bin/bpft report $* --by port --top 5 --format json"
}

# A capture starts a log of its own each time, so trying it twice does not double the figures.
read_capture() {
	rm -f "$root/var/lib/bpft/trafd.capture"
	status=0
	"$bin/trafd" --root "$root" -m 0 --read "$1" -f capture || status=$?
	[ -e "$root/var/lib/bpft/trafd.capture" ] && report capture
	exit $status
}

[ -z "$capture" ] || read_capture "$capture"

interface=${1:-${IFF_LISTEN:-$("$bin/python" -c 'from bpft.meter.interfaces import default; print(default())')}}
problem=
if [ -z "$interface" ]; then
	problem="no interface is up here"
# Opening the interface to print the (empty) filter is the real test of the right to capture.
elif ! told=$("$bin/trafd" --root "$root" -i "$interface" -d 2>&1); then
	case $told in
	*permission*) problem="counting on $interface needs root, or the capability CAP_NET_RAW: run this again as root" ;;
	*)
		printf '%s\n' "$told" >&2
		exit 1
		;;
	esac
fi
if [ -n "$problem" ]; then
	say "$problem"
	say "here is a sample instead, the capture tests/captures/sample.pcap"
	read_capture tests/captures/sample.pcap
fi

say "counting on $interface; Ctrl-C saves and prints the report"
"$bin/trafd" --root "$root" -m 0 -i "$interface" --foreground &
daemon=$!
# However this script is ended, the table is saved (INT) and the daemon stops (TERM); a typed Ctrl-C reaches the daemon by itself too.
trap 'kill -INT $daemon 2>/dev/null; kill -TERM $daemon 2>/dev/null' INT TERM HUP
status=0
wait $daemon || status=$?
trap '' INT TERM HUP
# A wait cut short by the trap says nothing of the daemon: ask again.
if [ $status -gt 128 ]; then
	status=0
	wait $daemon || status=$?
fi
[ $status = 0 ] || exit $status
report "$interface"
