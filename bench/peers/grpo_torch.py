#!/usr/bin/env python3
"""A GRPO step in plain PyTorch, as one writes it first: the yardstick for `circuitdiff train dapo`.

    grpo_torch.py MODEL GENERATIONS.jsonl [--steps N] [--threads N]

MODEL: models/arith-sft. GENERATIONS: what `circuitdiff generate` wrote, for prompt tokens and reference answers. One step is
32 questions x 4 sampled answers with a key-value cache, rewards, old log-probabilities, two minibatches with the clipped loss,
AdamW. Batched and padded; answers leave the batch together when the last has ended. Prints seconds and tokens a second of each step.
"""
import argparse
import json
import pathlib
import re
import struct
import time

import torch
import torch.nn.functional as F


def load(folder):
    blob = (folder / "model.safetensors").read_bytes()
    n = struct.unpack("<Q", blob[:8])[0]
    out = {}
    for name, entry in json.loads(blob[8:8 + n]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        data = bytearray(blob[8 + n + begin:8 + n + end])
        out[name] = torch.frombuffer(data, dtype=torch.float32).view(entry["shape"]).clone()
    return out


class Llama(torch.nn.Module):
    def __init__(self, folder):
        super().__init__()
        self.c = json.loads((folder / "config.json").read_text())
        self.names = {}
        for name, value in load(folder).items():
            self.names[name] = name.replace(".", "_")
            self.register_parameter(self.names[name], torch.nn.Parameter(value))
        d = self.c["head_dim"]
        f = self.c["rope_theta"] ** (-torch.arange(0, d, 2).float() / d)
        angles = torch.outer(torch.arange(256).float(), f)
        self.cos, self.sin = torch.cat([angles.cos()] * 2, -1), torch.cat([angles.sin()] * 2, -1)

    def w(self, name):
        return getattr(self, self.names[name])

    def norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.c["rms_norm_eps"]) * self.w(name)

    def forward(self, tokens, positions, mask, cache=None):
        """tokens [B, T], positions [B, T], mask [B, 1, T, S] bool; cache: one [K, V] a layer, grown in place."""
        h, d = self.c["num_attention_heads"], self.c["head_dim"]
        b, t = tokens.shape
        cos, sin = self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)

        def rotate(x):
            return x * cos + torch.cat([-x[..., d // 2:], x[..., :d // 2]], -1) * sin

        x = F.embedding(tokens, self.w("model.embed_tokens.weight"))
        for l in range(self.c["num_hidden_layers"]):
            p = f"model.layers.{l}."
            y = self.norm(x, p + "input_layernorm.weight")
            q, k, v = (F.linear(y, self.w(p + f"self_attn.{n}_proj.weight")).view(b, t, h, d).transpose(1, 2) for n in "qkv")
            q, k = rotate(q), rotate(k)
            if cache is not None:
                if cache[l] is not None:
                    k, v = torch.cat([cache[l][0], k], 2), torch.cat([cache[l][1], v], 2)
                cache[l] = (k, v)
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(b, t, h * d)
            x = x + F.linear(a, self.w(p + "self_attn.o_proj.weight"))
            y = self.norm(x, p + "post_attention_layernorm.weight")
            y = F.silu(F.linear(y, self.w(p + "mlp.gate_proj.weight"))) * F.linear(y, self.w(p + "mlp.up_proj.weight"))
            x = x + F.linear(y, self.w(p + "mlp.down_proj.weight"))
        return F.linear(self.norm(x, "model.norm.weight"), self.w("model.embed_tokens.weight"))


@torch.no_grad()
def sample(model, prompts, max_new, eos):
    """Left-padded prompts, one token at a time until all have ended. Returns lists of answer tokens."""
    n, longest = len(prompts), max(map(len, prompts))
    tokens = torch.zeros(n, longest, dtype=torch.long)
    seen = torch.zeros(n, longest, dtype=torch.bool)
    for i, p in enumerate(prompts):
        tokens[i, longest - len(p):] = torch.tensor(p)
        seen[i, longest - len(p):] = True
    positions = (seen.long().cumsum(1) - 1).clamp(min=0)
    causal = torch.ones(longest, longest, dtype=torch.bool).tril()
    mask = (seen[:, None, :] & causal) | torch.eye(longest, dtype=torch.bool)
    cache = [None] * model.c["num_hidden_layers"]
    logits = model(tokens, positions, mask[:, None], cache)[:, -1]
    answers, alive, last = [[] for _ in prompts], [True] * n, positions[:, -1]
    for _ in range(max_new):
        new = torch.multinomial(logits.softmax(-1), 1)
        for i, t in enumerate(new[:, 0].tolist()):
            if alive[i]:
                answers[i].append(t)
                alive[i] = t != eos
        if not any(alive):
            break
        seen = torch.cat([seen, torch.ones(n, 1, dtype=torch.bool)], 1)
        last = last + 1
        logits = model(new, last[:, None], seen[:, None, None, :], cache)[:, -1]
    return answers


def logps(model, rows):
    """rows: (prompt, answer). Right-padded. Returns [n, longest answer] log-probabilities and their mask."""
    longest = max(len(p) + len(a) for p, a in rows)
    tokens = torch.zeros(len(rows), longest, dtype=torch.long)
    answer = torch.zeros(len(rows), longest, dtype=torch.bool)
    for i, (p, a) in enumerate(rows):
        tokens[i, :len(p) + len(a)] = torch.tensor(p + a)
        answer[i, len(p):len(p) + len(a)] = True
    t = longest - 1
    mask = torch.ones(t, t, dtype=torch.bool).tril()[None, None]
    logits = model(tokens[:, :-1], torch.arange(t).expand(len(rows), t), mask)
    return logits.log_softmax(-1).gather(-1, tokens[:, 1:, None]).squeeze(-1), answer[:, 1:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("generations", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    model = Llama(args.model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, betas=(0.9, 0.99), weight_decay=0)
    vocab = json.loads((args.model / "tokenizer.json").read_text())["model"]["vocab"]
    word = {i: w for w, i in vocab.items()}
    rows = [json.loads(line) for line in args.generations.open()]
    for step in range(args.steps):
        begun = time.perf_counter()
        batch = [rows[(step * 32 + i) % len(rows)] for i in range(32)]
        prompts = [r["prompt_tokens"] for r in batch for _ in range(4)]
        golds = [r["gold"] for r in batch for _ in range(4)]
        answers = sample(model, prompts, 46, eos=3)
        rewards = []
        for a, gold in zip(answers, golds):
            found = re.search(r"\\boxed\{(-?\d+)\}", "".join(word.get(t, "") for t in a))
            rewards.append(3.0 if found and found[1] == gold else -0.5)
        groups = torch.tensor(rewards).view(32, 4)
        advantages = ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + 1e-4)).view(-1)
        kept = [i for i in range(128) if groups[i // 4].std() > 0]
        data = [(prompts[i], answers[i]) for i in kept]
        with torch.no_grad():
            old, _ = logps(model, data)
        half = (len(kept) + 1) // 2
        for begin in (0, half):
            part = range(begin, min(begin + half, len(kept)))
            if not part:
                continue
            now, mask = logps(model, [data[i] for i in part])
            ratio = (now - old[part.start:part.stop, :now.shape[1]]).exp()
            a = advantages[[kept[i] for i in part]][:, None]
            loss = -(torch.min(ratio * a, ratio.clamp(0.8, 1.28) * a) * mask).sum() / mask.sum()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        seconds = time.perf_counter() - begun
        tokens = sum(map(len, answers))
        print(json.dumps({"step": step + 1, "seconds": round(seconds, 4), "tokens_per_second": round(tokens / seconds),
                          "reward": round(sum(rewards) / 128, 4), "trained": sum(len(data[i][1]) for i in range(len(data)))}))


if __name__ == "__main__":
    main()
