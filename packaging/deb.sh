#!/bin/sh
# dist/bpft_VERSION_ARCH.deb, made of packaging/debian; installs what the build needs where root runs it.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' bpft/__init__.py)
tree=$PWD/build/deb/bpft-$version
rm -rf build/deb
mkdir -p dist "$tree"

# A clone builds what git has; an unpacked sdist, what is there.
if [ -e .git ]; then git ls-files -z --cached; else find . \( -path ./build -o -path ./dist -o -path ./.venv \) -prune -o -type f -print0; fi |
	tar --create --null --files-from=- --ignore-failed-read | tar --extract --directory "$tree"
cp -R packaging/debian "$tree/debian"

cd "$tree"
if ! dpkg-checkbuilddeps 2>/dev/null; then
	missing="dpkg-dev, and what a build needs"
	if command -v dpkg-checkbuilddeps >/dev/null; then missing=$(dpkg-checkbuilddeps 2>&1 | sed 's/.*: //'); fi
	if [ "$(id -u)" != 0 ]; then
		echo "bpft: missing: $missing; only root can install them: sudo apt-get build-dep ./packaging" >&2
		exit 1
	fi
	echo "bpft: installing with apt-get: $missing"
	apt-get -qq update
	DEBIAN_FRONTEND=noninteractive apt-get -qq build-dep --yes --no-install-recommends ./ >/dev/null
fi
PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg-buildpackage --no-sign --build=binary >../build.log 2>&1 || {
	tail -n 20 ../build.log >&2
	echo "bpft: the build failed; build/deb/build.log says it all" >&2
	exit 1
}
cp ../bpft_*.deb "$OLDPWD/dist/"
cd "$OLDPWD"
ls dist/bpft_"$version"*.deb
