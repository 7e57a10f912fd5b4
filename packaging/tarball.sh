#!/bin/sh
# dist/bpft-VERSION-SYSTEM.tar.gz: the whole suite for machines without Python, to be unpacked in /usr/local or anywhere.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH PYTHONHASHSEED=1

work=$PWD/build/tarball
venv=$work/venv
rm -rf "$work"
mkdir -p dist "$work"
"$python" -m venv "$venv"
"$venv/bin/pip" --disable-pip-version-check install --quiet '.[metrics]' 'pyinstaller>=6.11,<7'
version=$("$venv/bin/python" -P -c 'import bpft; print(bpft.__version__)')
name=bpft-$version-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
tree=$work/$name

# From elsewhere, since PyInstaller would take what lies in the working directory for the package.
spec=$PWD/packaging/bpft.spec
(cd "$work" && venv/bin/python -P -m PyInstaller --log-level ERROR --distpath "$tree/lib" --workpath freeze "$spec" 2>freeze.log) || {
	tail -n 20 "$work/freeze.log" >&2
	exit 1
}
mkdir "$tree/bin"
for program in bpft trafd trafdump trafsave trafstart trafstop; do
	ln -s ../lib/bpft/bpft "$tree/bin/$program"
done

# What the wheel installs beside the code.
cp -R "$venv/share" "$tree/"
cp -R "$venv/lib/systemd" "$venv/lib/sysusers.d" "$venv/lib/tmpfiles.d" "$tree/lib/"

# The licences of all that is in it: ours, Python's, the packages', and of the system's libraries where dpkg knows them.
licences=$tree/share/doc/bpft/licences
mkdir -p "$licences"
cp LICENSE "$tree/share/doc/bpft/"
"$venv/bin/python" -P packaging/licences.py "$tree/lib/bpft" "$licences"

chmod -R u=rwX,go=rX "$tree"
tar --create --use-compress-program='gzip -n' --file "dist/$name.tar.gz" --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner \
	--mtime="@$SOURCE_DATE_EPOCH" --format=gnu "$name"
echo "dist/$name.tar.gz"
