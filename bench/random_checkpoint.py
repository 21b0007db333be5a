"""Writes a checkpoint of a given shape with random weights: one block of N(0, 0.02) repeated, which costs no memory.

    random_checkpoint.py OUT --shape 0.5b|1.5b|7b|13b [--dtype bf16|f32] [--layers N]

Only Python's standard library. Shapes: Qwen2.5 0.5B and 1.5B, LLaMA-like 7B (30 layers, vocabulary 102400) and 13B.
"""
import argparse
import json
import pathlib
import random
import struct

SHAPES = {  # layers, d_model, heads, kv heads, d_mlp, vocabulary, tied
    "0.5b": ("qwen2", 24, 896, 14, 2, 4864, 151936, True),
    "1.5b": ("qwen2", 28, 1536, 12, 2, 8960, 151936, True),
    "7b": ("llama", 30, 4096, 32, 32, 11008, 102400, False),
    "13b": ("llama", 40, 5120, 40, 40, 13824, 32000, False),
}


def block(dtype, count=1 << 20):
    values = [random.gauss(0.0, 0.02) for _ in range(count)]
    data = struct.pack(f"<{count}f", *values)
    return data if dtype == "f32" else b"".join(data[i + 2:i + 4] for i in range(0, len(data), 4))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--shape", choices=SHAPES, default="0.5b")
    parser.add_argument("--dtype", choices=["bf16", "f32"], default="bf16")
    parser.add_argument("--layers", type=int)
    options = parser.parse_args()
    kind, layers, d, heads, kv, mlp, vocab, tied = SHAPES[options.shape]
    layers = options.layers or layers
    random.seed(0)
    config = {"architectures": [{"qwen2": "Qwen2ForCausalLM", "llama": "LlamaForCausalLM"}[kind]], "model_type": kind,
              "hidden_size": d, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv,
              "intermediate_size": mlp, "vocab_size": vocab, "tie_word_embeddings": tied, "max_position_embeddings": 4096,
              "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu", "eos_token_id": 2,
              "torch_dtype": {"bf16": "bfloat16", "f32": "float32"}[options.dtype]}
    head = d // heads
    tensors = [("model.embed_tokens.weight", [vocab, d])]
    for l in range(layers):
        p = f"model.layers.{l}."
        tensors += [(p + "input_layernorm.weight", [d]), (p + "self_attn.q_proj.weight", [heads * head, d]),
                    (p + "self_attn.k_proj.weight", [kv * head, d]), (p + "self_attn.v_proj.weight", [kv * head, d]),
                    (p + "self_attn.o_proj.weight", [d, heads * head]), (p + "post_attention_layernorm.weight", [d]),
                    (p + "mlp.gate_proj.weight", [mlp, d]), (p + "mlp.up_proj.weight", [mlp, d]),
                    (p + "mlp.down_proj.weight", [d, mlp])]
        if kind == "qwen2":
            tensors += [(p + "self_attn.q_proj.bias", [heads * head]), (p + "self_attn.k_proj.bias", [kv * head]),
                        (p + "self_attn.v_proj.bias", [kv * head])]
    tensors.append(("model.norm.weight", [d]))
    if not tied:
        tensors.append(("lm_head.weight", [vocab, d]))
    size = {"bf16": 2, "f32": 4}[options.dtype]
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors:
        count = 1
        for s in shape:
            count *= s
        header[name] = {"dtype": options.dtype.upper(), "shape": shape, "data_offsets": [offset, offset + count * size]}
        offset += count * size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    noise = block(options.dtype)
    ones = struct.pack("<f", 1.0)
    one = ones if options.dtype == "f32" else ones[2:]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "config.json").write_text(json.dumps(config, indent=1))
    with open(options.out / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            begin, end = header[name]["data_offsets"]
            left = end - begin
            if name.endswith("norm.weight"):
                file.write(one * (left // size))
                continue
            while left > 0:
                left -= file.write(noise[:left])


if __name__ == "__main__":
    main()
