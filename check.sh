#!/bin/sh
# The whole gate on a fresh clone: installs what it needs, then runs every check and every test.
set -eu
cd "$(dirname "$0")"
sh scripts/prepare.sh check
exec make --no-print-directory check
