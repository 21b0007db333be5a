#!/bin/sh
# Trains the shipped family of tiny models anew from experiments/models, into runs/models/seed-N; nothing in models/ is touched.
#   models.sh PROGRAM [SEED..]        default: seed 1
# Done work is kept: the same line goes on where it stopped. Ends with a table of accuracies on the held-out questions.
set -eu
program=$1
shift
[ $# -gt 0 ] || set -- 1
recipes=experiments/models
data=runs/models/data
mkdir -p "$data"
held_out=data/arithmetic_test.jsonl,data/arithmetic_analysis.jsonl
questions() { # NAME COUNT SEED [FLAG..]
  name=$1 count=$2 seed=$3
  shift 3
  [ -f "$data/$name.jsonl" ] || "$program" data arithmetic --count "$count" --seed "$seed" --exclude $held_out --out "$data/$name.jsonl" "$@"
}
questions sft_1 40000 101 --answers --merge 0.3
questions sft_2 20000 102 --answers --merge 0.65
questions rl 20000 103

for seed in "$@"; do
  out=runs/models/seed-$seed
  mkdir -p "$out"
  run() { # NAME ALGORITHM RECIPE MODEL
    "$program" train "$2" "$recipes/$3.toml" --seed "$seed" --model "$4" --out "$out/$1"
  }
  run sft_1 sft sft_1 models/arith-sft
  run sft sft sft_2 "$out/sft_1/final"
  start=$out/sft/final
  # 800 questions x 8 answers of the start model, for dpo.
  head -n 800 "$data/rl.jsonl" > "$out/dpo_questions.jsonl"
  "$program" generate "$start" --data "$out/dpo_questions.jsonl" --n 8 --temperature 1 --max-new-tokens 46 --seed "$seed" --out "$out/drawn.jsonl"
  "$program" grade "$out/drawn.jsonl" --out "$out/pairs.jsonl"
  sed "s|runs/models/data/pairs.jsonl|$out/pairs.jsonl|" "$recipes/dpo.toml" > "$out/dpo.toml"
  run sft-continued sft sft_continued "$start"
  run grpo grpo grpo "$start"
  run ppo ppo ppo "$start"
  run online-dpo online-dpo online_dpo "$start"
  "$program" train dpo "$out/dpo.toml" --seed "$seed" --model "$start" --out "$out/dpo"
done
for seed in "$@"; do
  for kind in sft sft-continued grpo ppo dpo online-dpo; do
    printf '%s\tseed %s\t' "$kind" "$seed"
    tail -n 1 "runs/models/seed-$seed/$kind/metrics.jsonl" | sed 's/.*"eval\/accuracy":\([0-9.]*\).*/\1/'
  done
done
