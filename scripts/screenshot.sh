#!/bin/sh
# The picture of the report in README.md: the first screen of the demo's page, by a headless Chromium.
#   make demo && scripts/screenshot.sh [REPORT=runs/demo/report.html] [OUT=docs/report.png]
# Needs Debian's packages chromium and pngquant; nothing else here does.
set -eu
cd "$(dirname "$0")/.."
report=${1:-runs/demo/report.html} out=${2:-docs/report.png}
[ -f "$report" ] || { echo "error: $report is not there; run make demo first" >&2; exit 1; }
for tool in chromium pngquant; do
  command -v "$tool" >/dev/null || { echo "error: $tool is not installed (apt-get install chromium pngquant)" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The page draws its charts with a script; virtual time lets it finish.
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$work/profile" --window-size=1280,990 \
  --virtual-time-budget=20000 --screenshot="$work/page.png" "file://$(realpath "$report")" >"$work/log" 2>&1 ||
  { tail -n 3 "$work/log" >&2; exit 1; }
pngquant --force --speed 1 --output "$out" 64 "$work/page.png"
size=$(stat -c %s "$out")
echo "$out: $size bytes"
[ "$size" -lt 300000 ] || { echo "error: larger than 300 kB" >&2; exit 1; }
