"""Edge attribution of one sample on a GPU by other ways: `hooks` and `lean` of attribution.py in bfloat16, one cut and four.

    attribution_gpu.py [--shape 7b] [--prompt 160] [--answer 60] [--repeats 3] [--json FILE]

Prints seconds (best of the repeats, the device waited for) and GiB above the weights of each. A peer that runs out of the device's
memory is said to. Needs torch and transformers; random weights. To read beside build/bench/gpu_bench on the same card.
"""
import argparse
import math
import pathlib
import sys
import time

import torch

import attribution

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from result_row import ResultFile, add_json_option  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=attribution.SHAPES, default="7b")
    for name, value in (("prompt", 160), ("answer", 60), ("repeats", 3)):
        parser.add_argument("--" + name, type=int, default=value)
    add_json_option(parser)
    o = parser.parse_args()
    results = ResultFile(o.json)
    torch.set_default_device("cuda")

    small = attribution.make_model("tiny", 0)
    tokens = torch.randint(0, small.config.vocab_size, (30,))
    a, b = attribution.hooks(small, tokens, 20, 10), attribution.lean(small, tokens, 20, 10)
    if not (a - b).abs().max() <= 1e-4 * b.abs().max():
        raise SystemExit(f"the peers disagree by {(a - b).abs().max()} beside {b.abs().max()}")

    torch.set_default_dtype(torch.bfloat16)
    model = attribution.make_model(o.shape, 0)
    tokens = torch.randint(0, model.config.vocab_size, (o.prompt + o.answer,))
    cuts = [max(1, o.answer * 3 // 50), o.answer // 5, o.answer * 3 // 5, o.answer]
    print(f"{torch.cuda.get_device_name()}, {o.shape}, bfloat16, {o.prompt} + {o.answer} tokens")
    for name, peer in (("transformers with hooks", attribution.hooks), ("inputs split by head", attribution.lean)):
        for words, chosen in (("one cut", cuts[-1:]), ("four cuts", cuts)):
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before, best = torch.cuda.memory_allocated(), math.inf
            try:
                for _ in range(o.repeats):
                    start = time.perf_counter()
                    for cut in chosen:
                        peer(model, tokens, o.prompt, cut)
                    torch.cuda.synchronize()
                    best = min(best, time.perf_counter() - start)
                found = f"{best:8.3f} s"
                results.add("attribution-gpu", f"{o.shape.upper()} shape, {o.prompt} + {o.answer} tokens, one sample, {words}, by {name}",
                            "s a sample", [best], machine=torch.cuda.get_device_name())
            except torch.cuda.OutOfMemoryError:
                found = "out of memory"
                model.zero_grad(set_to_none=True)
            above = (torch.cuda.max_memory_allocated() - before) / 2**30
            print(f"{name + ', ' + words:<36} {found}   {above:6.2f} GiB", flush=True)


if __name__ == "__main__":
    main()
