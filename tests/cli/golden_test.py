"""`score` and `attribute` from the command line against the golden models: every architecture, in float32 and float64; every
method, graph, gradient, objective and edge set. Largest differences over the largest entry: logits and NLL 1e-5 and 1e-10,
score matrices 1e-4 and 1e-9.
"""
import collections
import concurrent.futures
import json
import math
import os
import unittest

import harness

LOGIT_LIMIT = {"float32": 1e-5, "float64": 1e-10}
SCORE_LIMIT = {"float32": 1e-4, "float64": 1e-9}
ARCHITECTURES = ["llama_mha", "llama_bias", "llama3_scaled", "mistral_gqa_swa", "qwen2_tied", "qwen2_swa", "qwen3",
                 "phi3", "gemma2", "olmo2"]
WITH_EXTRA = ARCHITECTURES[:7]  # goldens of objectives, exact blocks and eq. 7's edges as well
BLOCK = ["--graph", "block"]
RESIDUAL = BLOCK + ["--gradient", "residual"]

# golden tensor -> (flags, tags that it exists for)
GOLDEN = {
    "eap": ([], ("t1", "tmid", "tfull")),
    "eap_block": (BLOCK, ("t1", "tfull")),
    "eap_resid": (RESIDUAL, ("t1", "tmid", "tfull")),
    "acdc": (["--method", "exact"], ("t1", "tmid")),
    "ig_mid": (["--method", "eap-ig"], ("t1", "tmid")),
    "ig_right": (["--method", "eap-ig", "--ig-rule", "right"], ("t1",)),
    "ig_mid_diff": (["--method", "eap-ig", "--ig-activation", "difference"], ("t1",)),
    "ig_right_diff": (["--method", "eap-ig", "--ig-activation", "difference", "--ig-rule", "right"], ("t1",)),
}
EXTRA = {
    "eap_logit": (["--objective", "logit"], ("t1",)),
    "eap_entropy": (["--objective", "entropy"], ("t1",)),
    "exact_block": (["--method", "exact"] + BLOCK, ("t1",)),
    "exact_resid": (["--method", "exact"] + RESIDUAL, ("t1",)),
    "ig_act": (["--method", "eap-ig-activations"], ("t1",)),
}


def sequences_of(name, golden):
    description = json.loads((harness.GOLDEN / name / "golden.json").read_text(encoding="utf-8"))
    rows, cuts = [], []
    for sequence in description["sequences"]:
        tokens = golden[f"seq{sequence['index']}.tokens"].values
        rows.append({"id": f"seq{sequence['index']}", "tokens": list(tokens), "prompt_len": sequence["prompt_len"]})
        cuts.append({cut["tag"]: cut["T_cut"] for cut in sequence["tcuts"]})
    return rows, cuts


class GoldenTest(harness.Case):
    def check_scores(self, name, dtype):
        model = harness.GOLDEN / name / "model"
        golden, _ = harness.read_safetensors(harness.GOLDEN / name / "golden.safetensors")
        rows, _ = sequences_of(name, golden)
        sequences = harness.write_rows(self.dir / f"{name}.jsonl", rows)
        out = self.dir / f"{name}-{dtype}.safetensors"
        self.ok("score", model, "--sequences", sequences, "--out", out, "--logits", "--dtype", dtype)
        found, _ = harness.read_safetensors(out)
        self.assertEqual(len(found), 2 * len(rows))
        for i in range(len(rows)):
            for kind in ("logits", "nll"):
                wanted = golden[f"seq{i}.{kind}"]
                self.assertEqual(found[f"{kind}.{i}"].shape, wanted.shape)
                difference = harness.largest_difference(found[f"{kind}.{i}"].values, wanted.values)
                self.assertLess(difference, LOGIT_LIMIT[dtype], f"{name} {dtype} {kind}.{i}")

    def test_logits_and_nll_of_every_architecture(self):
        for name in ARCHITECTURES:
            for dtype in LOGIT_LIMIT:
                with self.subTest(model=name, dtype=dtype):
                    self.check_scores(name, dtype)

    def check_attribution(self, name, dtype, job):
        """One run of the program: all sequences that share this cut. Returns what is wrong, as lines."""
        tensors, flags, t_cut, indices, tensor_name, tag = job
        rows, golden = tensors
        folder = self.dir / f"{name}-{dtype}-{tensor_name}-{tag}-{t_cut}"
        sequences = harness.write_rows(f"{folder}.jsonl", [rows[i] for i in indices])
        result = harness.run("attribute", harness.GOLDEN / name / "model", "--sequences", sequences, "--t-cut", t_cut,
                             "--out", folder, "--dtype", dtype, "--threads", "1", *flags)
        where = f"{name} {dtype} {tensor_name} {tag}"
        if result.code != 0:
            return [f"{where}: exit code {result.code}: {result.err}"]
        found, _ = harness.read_safetensors(folder / f"scores.tcut-{t_cut}.safetensors")
        wrong = []
        matrix = math.prod(found["scores"].shape[1:])
        mask = golden["edge_mask_block" if "--graph" in flags else "edge_mask"].values
        if found["edges"].values != mask:
            wrong.append(f"{where}: edges differ")
        if found["scores"].shape[0] != len(indices):
            wrong.append(f"{where}: {found['scores'].shape[0]} samples")
        for row, i in enumerate(indices):
            wanted = golden[f"seq{i}.{tag}.{tensor_name}"].values
            values = found["scores"].values[row * matrix:(row + 1) * matrix]
            difference = harness.largest_difference(values, wanted)
            if not difference < SCORE_LIMIT[dtype]:
                wrong.append(f"{where} seq{i}: largest difference {difference:.2e}")
            loss = golden[f"seq{i}.{tag}.loss"].values[0]
            if not abs(found["loss"].values[row] - loss) < 1e-5 * max(1.0, loss):
                wrong.append(f"{where} seq{i}: loss {found['loss'].values[row]}, golden {loss}")
            error = golden.get(f"seq{i}.{tag}.error")
            if error and not abs(found["error"].values[row] - error.values[0]) < 1e-5:
                wrong.append(f"{where} seq{i}: error {found['error'].values[row]}, golden {error.values[0]}")
        return wrong

    def jobs_of(self, name, dtype):
        golden, _ = harness.read_safetensors(harness.GOLDEN / name / "golden.safetensors")
        extra = harness.GOLDEN / name / "extra.safetensors"
        if extra.exists():
            golden.update(harness.read_safetensors(extra)[0])
        rows, cuts = sequences_of(name, golden)
        for tensor_name, (flags, tags) in {**GOLDEN, **EXTRA}.items():
            for tag in tags if dtype == "float64" else tags[:1]:
                together = collections.defaultdict(list)
                for i, cut in enumerate(cuts):
                    if f"seq{i}.{tag}.{tensor_name}" in golden:  # an answer shorter than the cut is used whole
                        together[1000 if tag == "tfull" else cut[tag]].append(i)
                for t_cut, indices in together.items():
                    yield (rows, golden), flags, t_cut, indices, tensor_name, tag

    def check_all(self, dtype):
        wrong, count = [], 0
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for name in ARCHITECTURES:
                jobs = list(self.jobs_of(name, dtype))
                count += len(jobs)
                for lines in pool.map(lambda job: self.check_attribution(name, dtype, job), jobs):
                    wrong += lines
        self.assertGreater(count, 13 * len(WITH_EXTRA) + 8 * (len(ARCHITECTURES) - len(WITH_EXTRA)) - 1)
        self.assertEqual(wrong, [], "\n".join(wrong))

    def test_score_matrices_in_float64(self):
        self.check_all("float64")

    def test_score_matrices_in_float32(self):
        self.check_all("float32")

    def test_edges_of_equation_7_are_the_only_ones_scored(self):
        for name in WITH_EXTRA:
            golden, _ = harness.read_safetensors(harness.GOLDEN / name / "golden.safetensors")
            extra, _ = harness.read_safetensors(harness.GOLDEN / name / "extra.safetensors")
            rows, cuts = sequences_of(name, golden)
            sequences = harness.write_rows(self.dir / "one.jsonl", rows[:1])
            for graph, mask_name, wanted_name in (("qkv", "edge_mask_paper", "eap"), ("block", "edge_mask_paper_block", "eap_block")):
                with self.subTest(model=name, graph=graph):
                    t_cut = cuts[0]["tmid"]
                    out = self.dir / f"paper-{name}-{graph}"
                    self.ok("attribute", harness.GOLDEN / name / "model", "--sequences", sequences, "--t-cut", t_cut,
                            "--out", out, "--dtype", "float64", "--graph", graph, "--edges", "paper")
                    found, metadata = harness.read_safetensors(out / f"scores.tcut-{t_cut}.safetensors")
                    mask = extra[mask_name].values
                    self.assertEqual(found["edges"].values, mask)
                    wanted = [w * m for w, m in zip(golden[f"seq0.tmid.{wanted_name}"].values, mask)]
                    self.assertLess(harness.largest_difference(found["scores"].values, wanted), 1e-9)
                    self.assertEqual(metadata["graph"], graph)


if __name__ == "__main__":
    harness.main()
