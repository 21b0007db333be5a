#!/usr/bin/env python3
"""Writes golden models' weights as Python's torch writes them, for tests/checkpoint/torch_written_test.cpp and tests/cli/files_test.py.

    make_torch_golden.py        into tests/golden/checkpoint/torch; made with torch 2.11.0 (needs torch, numpy not)

  llama_bias/pytorch_model.bin    one file, as transformers wrote them before safetensors
  qwen2_swa/                      two shards and their index; every second tensor a torch.nn.Parameter
  kinds.bin                       every float type, turned and shifted views, one storage under two names, and things that are no tensors
  legacy.bin                      the format of torch before 1.6
"""
import json
import pathlib
import struct

import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
OUT = ROOT / "checkpoint" / "torch"
TYPES = {"F16": torch.float16, "F32": torch.float32, "BF16": torch.bfloat16}


def tensors_of(model):
    data = (ROOT / "models" / model / "model" / "model.safetensors").read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        part = bytearray(data[8 + size + begin:8 + size + end])
        out[name] = torch.frombuffer(part, dtype=TYPES[entry["dtype"]]).reshape(entry["shape"]).clone()
    return out


def main():
    for folder in ("llama_bias", "qwen2_swa"):
        (OUT / folder).mkdir(parents=True, exist_ok=True)
    torch.save(tensors_of("llama_bias"), OUT / "llama_bias" / "pytorch_model.bin")
    index = {"metadata": {"total_size": 0}, "weight_map": {}}
    tensors = list(tensors_of("qwen2_swa").items())
    half = len(tensors) // 2
    for number, part in enumerate((tensors[:half], tensors[half:]), start=1):
        name = f"pytorch_model-{number:05}-of-00002.bin"
        shard = {k: torch.nn.Parameter(v) if i % 2 else v for i, (k, v) in enumerate(part)}
        torch.save(shard, OUT / "qwen2_swa" / name)
        index["weight_map"].update({k: name for k in shard})
        index["metadata"]["total_size"] += sum(v.nbytes for v in shard.values())
    (OUT / "qwen2_swa" / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    count = torch.arange(12, dtype=torch.float32)
    torch.save({"f64": count.double().reshape(3, 4), "f32": count.reshape(3, 4), "f16": count.half(), "bf16": count.bfloat16(),
                "turned": count.reshape(3, 4).t(), "shifted": count[4:10].reshape(2, 3), "again": count, "scalar": count[7],
                "strided": count[::3], "empty": count[:0], "parameter": torch.nn.Parameter(count[:2].clone())},
               OUT / "kinds.bin")
    torch.save({"w": count}, OUT / "legacy.bin", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
