#!/bin/sh
# The whole pipeline on the shipped checkpoints; prints where the report is and opens it where there is a desktop.
#   scripts/demo.sh build/circuitdiff
set -eu
program=$1
"$program" run experiments/demo.toml
