"""Attribution where something does not fit: a budget too small, weights that are not finite, another type."""
import json
import re
import shutil

import harness

MODEL = harness.MODELS / "arith-sft"


class AttributionTest(harness.Case):
    def sequences(self, rows):
        return harness.write_rows(self.dir / "sequences.jsonl", [{"id": i, "tokens": t, "prompt_len": 2} for i, t in rows])

    def attribute(self, name, model, *flags):
        return harness.run("attribute", model, "--sequences", self.dir / "sequences.jsonl", "--t-cut", "3", "--out", self.dir / name,
                           *flags)

    def scores(self, name):
        return self.dir / name / "scores.tcut-3.safetensors"

    def model_with(self, change, **config):
        """A copy of the model, its tensors changed by `change`, its configuration by `config`."""
        folder = self.dir / "model"
        shutil.copytree(MODEL, folder)
        tensors, metadata = harness.read_safetensors(MODEL / "model.safetensors")
        changed = {name: ["F32", t.shape, list(t.values)] for name, t in tensors.items()}
        change(changed)
        harness.write_safetensors(folder / "model.safetensors", changed, metadata)
        described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(described | config), encoding="utf-8")
        return folder

    def untied(self, tensors):
        tensors["lm_head.weight"] = [*tensors["model.embed_tokens.weight"][:2], list(tensors["model.embed_tokens.weight"][2])]

    def test_an_embedding_that_is_not_finite_fails_the_samples_that_have_its_token(self):
        self.sequences([("good", [5, 6, 7, 8, 9]), ("bad", [5, 13, 7, 8, 9]), ("fine", [9, 8, 7, 6, 5])])

        def change(tensors):
            self.untied(tensors)
            _, shape, values = tensors["model.embed_tokens.weight"]
            values[13 * shape[1] + 1] = float("nan")

        result = self.attribute("out", self.model_with(change, tie_word_embeddings=False))
        self.assertEqual(result.code, 3, result.err)
        self.assertIn("bad at tcut-3: the embedding of token 13 at position 1 (weight model.embed_tokens.weight)", result.out + result.err)
        tensors, metadata = harness.read_safetensors(self.scores("out"))
        self.assertIn("good", metadata["ids"])
        self.assertNotIn("bad", metadata["ids"])
        self.assertEqual(tensors["scores"].shape[0], 2)

    def test_a_head_that_is_not_finite_is_named_where_it_is_the_embedding_too(self):
        self.sequences([("good", [5, 6, 7, 8, 9])])

        def change(tensors):
            _, shape, values = tensors["model.embed_tokens.weight"]
            values[13 * shape[1] + 1] = float("nan")

        result = self.attribute("out", self.model_with(change))
        self.assertEqual(result.code, 1, result.err)
        self.assertIn("good at tcut-3: weight model.embed_tokens.weight[13, 1] is nan", result.err)

    def test_a_gradient_that_overflows_is_named_and_fails_its_sample_alone(self):
        self.sequences([("good", [5, 6, 7, 8, 9]), ("bad", [5, 13, 7, 8, 9]), ("fine", [9, 8, 7, 6, 5])])

        def change(tensors):
            # Dimension 0 of the stream is 0 ahead of layer 0's MLP but for token 13. There one entry of `up` is huge and its gate
            # closed: forward they make 0, backward the gate's gradient overflows.
            _, (rows, width), embedded = tensors["model.embed_tokens.weight"]
            for token in range(rows):
                embedded[token * width] = 1.0 if token == 13 else 0.0
            _, shape, values = tensors["model.layers.0.self_attn.o_proj.weight"]
            values[:shape[1]] = [0.0] * shape[1]
            for name in ("gate", "up"):
                tensors[f"model.layers.0.mlp.{name}_proj.weight"][2][:width] = [0.0] * width
            tensors["model.layers.0.mlp.up_proj.weight"][2][0] = 1e33
            _, shape, values = tensors["model.layers.0.mlp.down_proj.weight"]
            for row in range(shape[0]):
                values[row * shape[1]] = 1e15

        result = self.attribute("out", self.model_with(change))
        self.assertEqual(result.code, 3, result.err)
        self.assertRegex(result.out + result.err, r"bad at tcut-3: layer 0: the gradient at m0\S* makes the score of \S+ -?(nan|inf)")
        self.assertNotIn("good at", result.out + result.err)
        _, metadata = harness.read_safetensors(self.scores("out"))
        self.assertIn("good", metadata["ids"])
        self.assertIn("fine", metadata["ids"])
        self.assertNotIn("bad", metadata["ids"])

    def test_a_budget_too_small_names_the_least_that_works_and_that_works(self):
        self.sequences([(str(i), [5, 6, 7, 8, 9, 10 + i]) for i in range(5)])
        result = self.attribute("small", MODEL, "--memory", "0.01")
        self.assertEqual(result.code, 1)
        named = re.search(r"--memory: 0\.01 GiB are too few for chunks of 5 samples; ([0-9.]+) is the least that works", result.err)
        self.assertTrue(named, result.err)
        self.assertEqual(self.attribute("least", MODEL, "--memory", named[1]).code, 0)
        self.assertEqual(self.attribute("free", MODEL).code, 0)
        self.assertEqual(self.scores("least").read_bytes(), self.scores("free").read_bytes())

    def test_bfloat16_is_near_float32_and_says_what_it_is(self):
        self.sequences([(str(i), [5, 6, 7, 8, 9, 10 + i]) for i in range(5)])
        found = {}
        for dtype in ("float32", "bfloat16"):
            self.assertEqual(self.attribute(dtype, MODEL, "--dtype", dtype).code, 0)
            tensors, metadata = harness.read_safetensors(self.scores(dtype))
            self.assertEqual(metadata["dtype"], dtype)
            found[dtype] = tensors["scores"].values
        off = harness.largest_difference(found["bfloat16"], found["float32"])
        self.assertLess(off, 0.1)
        self.assertGreater(off, 1e-5)


if __name__ == "__main__":
    harness.main()
