#!/bin/sh
# The whole pipeline on the shipped checkpoints; says where the report is and opens it where there is a desktop.
# Interrupted, it goes on where it stopped.
#   scripts/demo.sh build/circuitdiff
set -eu
program=${1:?"usage: scripts/demo.sh PROGRAM"}
out=runs/demo
"$program" run experiments/demo.toml --out "$out"
"$program" accuracy "$out"
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] && command -v xdg-open >/dev/null; then
  xdg-open "$out/report.html" >/dev/null 2>&1 || true
fi
echo "report: $PWD/$out/report.html"
