"""Models in other files than safetensors, made for the tests: GGUF and LoRA adapters, on Python's standard library."""
import json
import shutil
import struct

import harness

ALIGN = 32


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(v):
    if isinstance(v, bool):
        return struct.pack("<I?", 7, v)
    if isinstance(v, int):
        return struct.pack("<II", 4, v)
    if isinstance(v, float):
        return struct.pack("<If", 6, v)
    if isinstance(v, str):
        return struct.pack("<I", 8) + text(v)
    kind = 8 if isinstance(v[0], str) else 5  # lists of strings or int32
    return struct.pack("<IIQ", 9, kind, len(v)) + b"".join(text(x) if kind == 8 else struct.pack("<i", x) for x in v)


def pair_rows(values, rows, columns, heads):
    """Rows of queries or keys as GGUF's llama has them: the halves of each head turn by turn."""
    out = []
    for head in range(heads):
        first, half = head * rows // heads, rows // heads // 2
        for i in range(half):
            for row in (first + i, first + half + i):
                out += values[row * columns:(row + 1) * columns]
    return out


PARTS = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_name(name):
    if name == "model.embed_tokens.weight":
        return "token_embd.weight"
    if name == "model.norm.weight":
        return "output_norm.weight"
    if name == "lm_head.weight":
        return "output.weight"
    _, _, layer, part = name.split(".", 3)
    return f"blk.{layer}.{PARTS[part.removesuffix('.weight')]}.weight"


def ascii_tokens(count):
    """A vocabulary of single characters in GPT-2's byte alphabet, where a blank is \\u0120."""
    tokens = ["<pad>", "<bos>", "<sep>", "<eos>", "\u0120", "\u010a"] + [chr(c) for c in range(33, 127)]
    return tokens + [f"<extra{i}>" for i in range(count - len(tokens))]


def write_gguf(folder, out):
    """A llama folder in F32 as one GGUF file, with a tokenizer of single characters. Returns its path."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tensors, _ = harness.read_safetensors(folder / "model.safetensors")
    heads = {"self_attn.q_proj": config["num_attention_heads"], "self_attn.k_proj": config["num_key_value_heads"]}
    tokens = ascii_tokens(config["vocab_size"])
    metadata = {
        "general.architecture": "llama", "llama.block_count": config["num_hidden_layers"],
        "llama.context_length": config["max_position_embeddings"], "llama.embedding_length": config["hidden_size"],
        "llama.feed_forward_length": config["intermediate_size"], "llama.attention.head_count": config["num_attention_heads"],
        "llama.attention.head_count_kv": config["num_key_value_heads"],
        "llama.attention.layer_norm_rms_epsilon": config["rms_norm_eps"], "llama.rope.freq_base": config["rope_theta"],
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "default", "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if len(t) > 1 else 1 for t in tokens],
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 3,
        "tokenizer.chat_template": "{{ bos_token }}{{ messages[0]['content'] }}<sep>",
    }
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(text(k) + value(v) for k, v in metadata.items())
    blob = b""
    for name, tensor in tensors.items():
        blob += b"\0" * (-len(blob) % ALIGN)
        head += text(gguf_name(name)) + struct.pack("<I", len(tensor.shape))
        head += struct.pack(f"<{len(tensor.shape)}Q", *reversed(tensor.shape)) + struct.pack("<IQ", 0, len(blob))
        values = list(tensor.values)
        for part, count in heads.items():
            if part in name:
                values = pair_rows(values, *tensor.shape, count)
        blob += struct.pack(f"<{len(values)}f", *values)
    head += b"\0" * (-len(head) % ALIGN)
    out.write_bytes(head + blob)
    return out


def write_adapter(folder, shapes, rank=2, scale=1.0):
    """A LoRA adapter of PEFT for the modules of `shapes` ({module: (outputs, inputs)}); entries follow from their place."""
    folder.mkdir()
    tensors = {}
    for number, (module, (outputs, inputs)) in enumerate(sorted(shapes.items())):
        for kind, shape in (("lora_A", [rank, inputs]), ("lora_B", [outputs, rank])):
            values = [scale * ((7 * i + 3 * number) % 11 - 5) / 40 for i in range(shape[0] * shape[1])]
            tensors[f"base_model.model.{module}.{kind}.weight"] = ("F32", shape, values)
    harness.write_safetensors(folder / "adapter_model.safetensors", tensors)
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 2 * rank, "bias": "none",
              "target_modules": sorted({m.rpartition(".")[2] for m in shapes})}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def merged_folder(folder, adapter, out):
    """The folder that results when the adapter is merged in Python, in float64 and then rounded to float32 once."""
    tensors, _ = harness.read_safetensors(folder / "model.safetensors")
    lora, _ = harness.read_safetensors(adapter / "adapter_model.safetensors")
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    result = {name: ("F32", t.shape, list(t.values)) for name, t in tensors.items()}
    for name, a in lora.items():
        if not name.endswith("lora_A.weight"):
            continue
        b = lora[name.replace("lora_A", "lora_B")]
        rank, inputs = a.shape
        weights = result[name.removeprefix("base_model.model.").replace(".lora_A", "")][2]
        for row in range(b.shape[0]):
            for column in range(inputs):
                product = sum(b.values[row * rank + k] * a.values[k * inputs + column] for k in range(rank))
                weights[row * inputs + column] += config["lora_alpha"] / config["r"] * product
    shutil.copytree(folder, out)
    harness.write_safetensors(out / "model.safetensors", result)
    return out
