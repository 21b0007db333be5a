#!/bin/sh
# Trains the shipped families of tiny models anew from experiments/models, into runs/models/seed-N; nothing in models/ is touched.
#   models.sh PROGRAM [SEED..]        default: seed 1
#   DOMAINS="arithmetic sorting"      which of them
#   KINDS=all                         main: without the other temperatures and the reward controls
# Done work is kept: the same line goes on where it stopped. Ends with a table of accuracies on the held-out questions.
set -eu
program=$1
shift
[ $# -gt 0 ] || set -- 1
domains=${DOMAINS:-arithmetic sorting}
for domain in $domains; do
  case $domain in
    arithmetic | sorting) ;;
    *) echo "models.sh: DOMAINS: arithmetic or sorting expected, $domain found" >&2; exit 2 ;;
  esac
done
data=runs/models/data
mkdir -p "$data"

# The program as a child that a signal to its family ends; it keeps what it has done.
child=
run() {
  "$program" "$@" &
  child=$!
  wait "$child"
}

# Training questions of a domain, none of them held out: for two phases of supervision and for drawing answers to.
questions() { # DOMAIN PREFIX NAME COUNT SEED [FLAG..]
  domain=$1 file=$data/$2$3.jsonl count=$4 questions_seed=$5
  shift 5
  [ -f "$file" ] || run data "$domain" --count "$count" --seed "$questions_seed" \
    --exclude "data/${domain}_test.jsonl,data/${domain}_analysis.jsonl" --out "$file" "$@"
}
train() { # NAME ALGORITHM RECIPE MODEL
  run train "$2" "$3" --seed "$seed" --model "$4" --out "$1"
}

family() { # DOMAIN RECIPES PREFIX SHAPE MAX_NEW_TOKENS
  trap '[ -z "$child" ] || kill "$child" 2>/dev/null; wait; exit 130' TERM
  recipes=$2
  questions "$1" "$3" sft_1 40000 101 --answers --merge 0.3
  questions "$1" "$3" sft_2 20000 102 --answers --merge 0.65
  questions "$1" "$3" rl 20000 103
  out=runs/models/seed-$seed/ # arithmetic's lie in the seed's folder itself
  [ -z "$3" ] || out=${out}$1-
  mkdir -p "runs/models/seed-$seed"
  train "${out}sft_1" sft "$recipes/sft_1.toml" "$4"
  train "${out}sft" sft "$recipes/sft_2.toml" "${out}sft_1/final"
  start=${out}sft/final
  # 800 questions x 8 answers of the start model, for dpo.
  head -n 800 "$data/$3rl.jsonl" > "${out}dpo_questions.jsonl"
  run generate "$start" --data "${out}dpo_questions.jsonl" --n 8 --temperature 1 --max-new-tokens "$5" --seed "$seed" --out "${out}drawn.jsonl"
  run grade "${out}drawn.jsonl" --out "${out}pairs.jsonl"
  sed "s|^file = \"$data/.*pairs.jsonl\"|file = \"${out}pairs.jsonl\"|" "$recipes/dpo.toml" > "${out}dpo.toml"
  train "${out}sft-continued" sft "$recipes/sft_continued.toml" "$start"
  train "${out}grpo" grpo "$recipes/grpo.toml" "$start"
  train "${out}ppo" ppo "$recipes/ppo.toml" "$start"
  train "${out}online-dpo" online-dpo "$recipes/online_dpo.toml" "$start"
  train "${out}dpo" dpo "${out}dpo.toml" "$start"
  [ "${KINDS:-all}" = all ] && [ "$1" = arithmetic ] || return 0
  variant() { # NAME SED-COMMAND
    sed "$2" "$recipes/grpo.toml" > "${out}$1.toml"
    train "${out}$1" grpo "${out}$1.toml" "$start"
  }
  variant grpo-t0.6 's/^temperature = .*/temperature = 0.6/'
  variant grpo-t1.4 's/^temperature = .*/temperature = 1.4/'
  variant grpo-random 's/^\[reward\]/[reward]\nkind = "random"/'
  variant grpo-format 's/^\[reward\]/[reward]\nkind = "format"/'
  variant grpo-inverted 's/^\[reward\]/[reward]\ninverted = true/'
}

# The domains side by side, each on one thread: models this small gain nothing from a second, and so the result does not depend on
# how many processors there are. A shell's background work ignores Ctrl-C, so that it is told to end by another signal.
export CIRCUITDIFF_THREADS="${CIRCUITDIFF_THREADS:-1}"
running=
trap 'trap "" INT TERM; [ -z "$running" ] || kill $running 2>/dev/null; wait; exit 130' INT TERM
for seed in "$@"; do
  running=
  for domain in $domains; do
    case $domain in
      arithmetic) family arithmetic experiments/models "" models/arith-sft 46 & ;;
      sorting) family sorting experiments/models/sorting sorting_ models/sorting-sft 64 & ;;
    esac
    running="$running $!"
  done
  code=0
  for one in $running; do wait "$one" || { failed=$?; [ "$code" != 0 ] || code=$failed; }; done
  [ "$code" = 0 ] || exit "$code"
done
running=
python3 scripts/models_table.py "$program" runs/models "$@"
