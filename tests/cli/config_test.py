"""Options from everywhere: flag over environment over file over preset over default; what is printed reads back the same;
help names every option; --json is JSON.
"""
import json
import re

import harness

COMMANDS = ["inspect", "tokenize", "detokenize", "chat", "score", "generate", "grade", "select", "attribute", "compare", "run", "report",
            "verify", "data"]


class ConfigTest(harness.Case):
    def graph(self, *flags, **environment):
        """The value of `graph` that attribute would use."""
        result = self.ok("attribute", "model", "--print-config", *flags, env={**harness.environment(), **environment})
        return re.search(r'^graph = "(\w+)"', result.out, re.MULTILINE)[1]

    def test_flag_over_environment_over_file_over_preset_over_default(self):
        config = self.dir / "config.toml"
        config.write_text('[attribute]\ngraph = "qkv"\n', encoding="utf-8")
        self.assertEqual(self.graph(), "qkv")
        self.assertEqual(self.graph("--preset", "paper"), "block")
        self.assertEqual(self.graph("--preset", "paper", "--config", config), "qkv")
        self.assertEqual(self.graph("--config", config, CIRCUITDIFF_GRAPH="block"), "block")
        self.assertEqual(self.graph("--graph", "qkv", CIRCUITDIFF_GRAPH="block"), "qkv")

    def test_presets_are_those_of_the_paper_and_its_code(self):
        paper = self.ok("attribute", "model", "--preset", "paper", "--print-config").out
        for line in ('graph = "block"', 'gradient = "residual"', 'edges = "paper"', 'objective = "nll"', 'dtype = "auto"'):
            self.assertIn(line, paper)
        code = self.ok("attribute", "model", "--preset", "code", "--print-config").out
        for line in ('graph = "qkv"', 'gradient = "branch"', 'edges = "all"', 't_cut_rule = "code"', 'dtype = "bfloat16"'):
            self.assertIn(line, code)
        self.assertIn('filter = "paper"', self.ok("select", "--preset", "paper", "--print-config").out)
        self.assertIn('filter = "code"', self.ok("select", "--preset", "code", "--print-config").out)

    def test_printed_configuration_reads_back_as_itself(self):
        flags = ["--graph", "block", "--objective", "entropy", "--ig-steps", "7", "--chunk", "3", "--t-cut", "9"]
        printed = self.ok("attribute", "model", *flags, "--print-config").out
        config = self.dir / "config.toml"
        config.write_text(printed, encoding="utf-8")
        self.assertEqual(self.ok("attribute", "--config", config, "--print-config").out, printed)

    def test_unknown_keys_and_presets_are_named_with_the_nearest_known(self):
        config = self.dir / "config.toml"
        config.write_text('[attribute]\ngraf = "qkv"\n', encoding="utf-8")
        self.refused(2, ["config.toml", "graf", "graph"], "attribute", "model", "--config", config, "--print-config")
        config.write_text('[attribute]\ngraph = 3\n', encoding="utf-8")
        self.refused(2, ["config.toml", "graph", "3"], "attribute", "model", "--config", config, "--print-config")
        self.refused(2, ["preset", "papr"], "attribute", "model", "--preset", "papr", "--print-config")
        self.refused(2, ["nowhere.toml"], "attribute", "model", "--config", self.dir / "nowhere.toml", "--print-config")
        self.refused(2, ["heads"], "attribute", "model", "--print-config", env={**harness.environment(), "CIRCUITDIFF_GRAPH": "heads"})

    def test_help_of_every_command_lists_every_option_with_its_default(self):
        overview = self.ok("--help").out
        for command in COMMANDS:
            with self.subTest(command=command):
                self.assertIn(command, overview)
                help_text = self.ok(command, "--help").out
                result = harness.run(command, "--print-config")
                for name, value in re.findall(r"^(\w+) = (.*)$", result.out, re.MULTILINE):
                    flag = "--" + name.replace("_", "-")
                    self.assertIn(flag, help_text)
        self.assertRegex(self.ok("attribute", "--help").out, r"--ig-steps.*\[5\]")

    def test_version(self):
        self.assertRegex(self.ok("--version").out, r"^circuitdiff \d+\.\d+\.\d+\n$")

    def test_json_is_one_object_and_nothing_goes_to_stderr_within_five_seconds(self):
        result = self.ok("inspect", harness.GOLDEN / "qwen3" / "model", "--json")
        self.assertEqual(result.err, "")
        described = json.loads(result.out)
        self.assertIn("qwen3", json.dumps(described))
        self.assertIn("168528", result.out.replace(",", ""))

    def test_text_through_the_tokenizer_and_back(self):
        model = harness.MODELS / "arith-sft"
        text = "Tom has 12 apples. Tom buys 3 more. How many apples now?"
        ids = self.ok("tokenize", model, stdin=json.dumps({"text": text}).encode() + b"\n").out
        back = self.ok("detokenize", model, stdin=ids.encode()).out
        self.assertEqual(json.loads(back)["text"].strip(), text)
        chat = self.ok("chat", model, stdin=json.dumps({"messages": [{"role": "user", "content": text}]}).encode() + b"\n")
        self.assertEqual(json.loads(chat.out)["text"], f"<bos>{text}<sep>")

    def test_a_template_that_raises_gives_an_error_on_its_line_and_exit_code_3(self):
        rows = [{"messages": []}, {"messages": [{"role": "user", "content": "hi"}]}]
        result = harness.run("chat", harness.MODELS / "arith-sft", stdin="".join(json.dumps(r) + "\n" for r in rows).encode())
        self.assertEqual(result.code, 3, result.err)
        lines = [json.loads(line) for line in result.out.splitlines()]
        self.assertIn("error", lines[0])
        self.assertEqual(lines[1]["text"], "<bos>hi<sep>")


if __name__ == "__main__":
    harness.main()
