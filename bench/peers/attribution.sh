#!/bin/sh
# Our attribution and its peers' on one shape, each beside the GEMM limit of its own process, as one table.
#   bench/peers/attribution.sh EAP_BENCH [SHAPE=0.5b] [PROMPT=160] [ANSWER=60] [REPEATS=3] [RESULTS]
# RESULTS: a file to append the figures to as rows of bench/results; the peers' are held against our best run.
# The peers live in a venv of their own (BENCH_VENV, build/bench-peers). A peer that cannot run ends this with its error, and
# so does one slower than 1.15 times what is stated for it: no straw men.
set -eu
program=$1 shape=${2:-0.5b} prompt=${3:-160} answer=${4:-60} repeats=${5:-3} results=${6:-}
here=$(dirname "$0")
venv=${BENCH_VENV:-build/bench-peers}
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r "$here/attribution.txt"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 "$here/../random_checkpoint.py" "$work/model" --shape "$shape" --dtype f32
threads=$(nproc)
"$program" "$work/model" "$prompt" "$answer" "$repeats" --json "$work/rows" >"$work/ours"
[ -z "$results" ] || sed "s|$work/||" "$work/rows" >>"$results"
"$venv/bin/python" "$here/attribution.py" --shape "$shape" --prompt "$prompt" --answer "$answer" --repeats "$repeats" \
  --threads "$threads" >"$work/peers.json"
cat "$work/ours"
python3 - "$work/peers.json" "$shape" "$work/rows" "$here/.." "$results" <<'END'
import json, sys
sys.path.insert(0, sys.argv[4])
from result_row import ResultFile
peers = json.load(open(sys.argv[1]))
limit = peers["limit"]
# Ratios to the limit where the peer runs as it should (float32, 2 cores, 0.5B shape, 220 tokens).
stated = {"hooks": 4.5 / 2.6, "lens": 11.4 / 2.6}
print(f"\n{'peers: GEMM limit in their process':<44} {limit['seconds']:7.2f} s {limit['processor']:7.2f} s")
ours = {row["what"]: row for row in map(json.loads, open(sys.argv[3])) if row["topic"] == "attribution-cpu"}
results = ResultFile(sys.argv[5], f"bench/peers/attribution.sh build/bench/eap_bench {sys.argv[2]} {peers['prompt']} {peers['answer']}")
slow = []
words = {"hooks": "transformers with hooks", "lens": "TransformerLens, split inputs", "lean": "split inputs without TransformerLens"}
for name in ("hooks", "lens", "lean"):
    for key, cuts in ((name, "one cut"), (name + "_four", "four cuts")):
        peer = peers[key]
        found = peer["seconds"] / limit["seconds"]
        print(f"{words[name] + ', ' + cuts:<44} {peer['seconds']:7.2f} s {peer['processor']:7.2f} s   {found:10.2f} "
              f"{peer['processor'] / limit['processor']:10.2f}     {peer['mib']:6.0f} MiB")
        for what, row in ours.items():
            if what.endswith(f"one sample, {cuts}, kept"):
                results.add("attribution-cpu", what, "s a sample", [row.get("least", row["median"])], words[name], [peer["seconds"]])
        if key in stated and sys.argv[2] == "0.5b" and found > 1.15 * stated[key]:
            slow.append(f"{name}: {found:.2f} times the limit, stated {stated[key]:.2f}")
if slow:
    sys.exit("a peer runs slower here than it should: " + "; ".join(slow))
END
