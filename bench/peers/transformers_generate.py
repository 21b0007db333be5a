"""circuitdiff's generation beside transformers' `generate`, on one checkpoint, in float32, on the same threads.

  decode   milliseconds a step of decoding at several batch sizes; the two take turns, so that a busy machine slows both;
           with --threads 1 also the processor's time, which does not hang on what else the machine does
  run      answers per minute over a whole file of questions, both with the checkpoint's chat template, greedy
  answers  for every token of a generations.jsonl: is it the one that transformers finds likeliest after the same tokens?

Needs the packages of transformers_generate.txt and the programs `circuitdiff` and `generate_bench`.
"""
import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from result_row import ResultFile, add_json_option  # noqa: E402


def load(folder, threads):
    torch.set_num_threads(threads)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval()


def timed(work):
    """Seconds of wall time, and of the processor in this process and its children."""
    def used():
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(r.ru_utime + r.ru_stime for r in both)

    begun, before = time.perf_counter(), used()
    work()
    return time.perf_counter() - begun, used() - before


@torch.inference_mode()
def decode(a):
    model = load(a.model, a.threads)
    for batch in a.batch:
        ours, theirs = [], []
        for _ in range(a.rounds):
            line = subprocess.run([a.bench, a.model, str(batch), str(a.prompt), str(a.steps + 1), str(a.threads)],
                                  check=True, capture_output=True, text=True).stdout
            step = json.loads(line)
            ours.append((step["mean_ms"], step["mean_cpu_ms"]))
            ids = torch.randint(3, model.config.vocab_size, (batch, a.prompt))

            def generate(new):
                model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new,
                               do_sample=False, eos_token_id=None, pad_token_id=0)

            first, all_ = timed(lambda: generate(1)), timed(lambda: generate(a.steps + 1))
            theirs.append([1000 * (y - x) / a.steps for x, y in zip(first, all_)])
        result = {"batch": batch, "threads": a.threads, "rounds": a.rounds}
        for kind, at in ("ms", 0), ("cpu_ms", 1):
            result[kind] = {"ours_least": round(min(o[at] for o in ours), 2),
                            "transformers_least": round(min(t[at] for t in theirs), 2),
                            "ours_median": round(statistics.median(o[at] for o in ours), 2),
                            "transformers_median": round(statistics.median(t[at] for t in theirs), 2),
                            "ratio_median": round(statistics.median(t[at] / o[at] for o, t in zip(ours, theirs)), 2)}
        print(json.dumps(result), flush=True)
        for words, at in ("", 0), (", processor time", 1):
            a.results.add("generation", f"{pathlib.Path(a.model).name}, a step of decoding, batch {batch}, {a.threads} threads{words}", "ms",
                          [o[at] for o in ours], f"transformers {transformers.__version__}", [t[at] for t in theirs],
                          [o[at] / t[at] for o, t in zip(ours, theirs)])


def report(program, answers, tokens, seconds, **more):
    print(json.dumps({"program": program, "answers": answers, "tokens": tokens, "seconds": round(seconds[0], 1),
                      "cpu_seconds": round(seconds[1], 1), "answers_per_minute": round(60 * answers / seconds[0], 1),
                      **more}), flush=True)


@torch.inference_mode()
def run(a):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "generations.jsonl"
        ours = timed(lambda: subprocess.run(
            [a.program, "generate", a.model, "--data", a.data, "--dataset", a.dataset, "--limit", str(a.limit), "--chat",
             "--max-new-tokens", str(a.new), "--threads", str(a.threads), "--out", str(out)],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    report("circuitdiff", len(rows), sum(len(row["answer_tokens"]) for row in rows), ours)
    prompts = [row["prompt_tokens"] for row in rows]
    if a.sorted:
        prompts.sort(key=len)
    made = 0

    def answer():
        nonlocal made
        model = load(a.model, a.threads)
        end = transformers.AutoTokenizer.from_pretrained(a.model).eos_token_id
        for at in range(0, len(prompts), a.batch[0]):
            part = prompts[at:at + a.batch[0]]
            longest = max(map(len, part))
            ids = torch.tensor([[0] * (longest - len(p)) + p for p in part])
            mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in part])
            answers = model.generate(ids, attention_mask=mask, max_new_tokens=a.new, do_sample=False, eos_token_id=[end],
                                     pad_token_id=0)[:, longest:]
            for tokens in answers.tolist():
                made += tokens.index(end) + 1 if end in tokens else len(tokens)
            print(at + len(part), "of", len(prompts), file=sys.stderr, flush=True)

    theirs = timed(answer)
    report("transformers", len(prompts), made, theirs, batch=a.batch[0], ratio=round(theirs[0] / ours[0], 2),
           cpu_ratio=round(theirs[1] / ours[1], 2))
    a.results.add("generation", f"{pathlib.Path(a.model).name}, {len(rows)} questions of {a.dataset}, {a.new} new tokens, {a.threads} threads",
                  "answers a minute", [60 * len(rows) / ours[0]], f"transformers {transformers.__version__}",
                  [60 * len(prompts) / theirs[0]])


@torch.inference_mode()
def answers(a):
    model = load(a.model, a.threads)
    tokens = same = close = 0
    wrong, whole = [], 0
    with open(a.generations, encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number >= a.limit:
                break
            row = json.loads(line)
            prompt, answer = row["prompt_tokens"], row["answer_tokens"]
            hidden = model.model(torch.tensor([prompt + answer[:-1]])).last_hidden_state[0, len(prompt) - 1:]
            best = model.lm_head(hidden).topk(2)
            before = same
            for step, token in enumerate(answer):
                tokens += 1
                if best.indices[step, 0] == token:
                    same += 1
                elif best.values[step, 0] - best.values[step, 1] <= a.margin:
                    close += 1
                else:
                    wrong.append({"id": row["id"], "step": step, "ours": token, "theirs": int(best.indices[step, 0]),
                                  "margin": float(best.values[step, 0] - best.values[step, 1])})
            whole += same - before == len(answer)
            if number % 20 == 19:
                print(number + 1, file=sys.stderr, flush=True)
    print(json.dumps({"tokens": tokens, "same": same, "other_within_margin": close, "wrong": len(wrong),
                      "answers_the_same_throughout": whole, "first_wrong": wrong[:3]}))
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["decode", "run", "answers"])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bench", default="build/bench/generate_bench")
    parser.add_argument("--program", default="build/circuitdiff")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16], help="run: transformers' batch, the first one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=128, help="decode: tokens of a prompt")
    parser.add_argument("--steps", type=int, default=64, help="decode: steps that are timed")
    parser.add_argument("--data", help="run: questions")
    parser.add_argument("--dataset", default="gsm8k")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--new", type=int, default=256, help="run: longest answer")
    parser.add_argument("--sorted", action="store_true", help="run: transformers gets its prompts by length")
    parser.add_argument("--generations", help="answers: a generations.jsonl")
    parser.add_argument("--margin", type=float, default=1e-3)
    add_json_option(parser)
    a = parser.parse_args()
    a.results = ResultFile(a.json)
    return {"decode": decode, "run": run, "answers": answers}[a.what](a)


if __name__ == "__main__":
    sys.exit(main())
