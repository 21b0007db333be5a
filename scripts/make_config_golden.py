"""What transformers makes of config.json: tests/golden/checkpoint/configs.json.

  pip install transformers==5.23.0   (no torch needed)
  python3 scripts/make_config_golden.py > tests/golden/checkpoint/configs.json

Every case is one config.json and what the class of transformers holds after reading it. transformers 4.57.6 gives the
same for every case without `rope_parameters`, which it does not know.
"""

import copy
import json

import transformers
from transformers import LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

CLASSES = {"llama": LlamaConfig, "mistral": MistralConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 50}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
FULL, SLIDING = "full_attention", "sliding_attention"


def cases():
    for model in CLASSES:
        # Absent fields: the class's default number of key and value heads must divide the heads.
        yield model, "bare", {"num_attention_heads": {"llama": 4, "mistral": 8}.get(model, 32)}
        if model != "mistral":
            yield model, "null kv heads", {"num_key_value_heads": None}
        if model in ("llama", "mistral"):
            yield model, "null head_dim", {"num_key_value_heads": 2, "head_dim": None}
        for name, fields in {
            "kv heads": {},
            "head_dim": {"head_dim": 32},
            "whole theta": {"rope_theta": 500000},
            "null scaling": {"rope_theta": 1e6, "rope_scaling": None},
            "linear by type": {"rope_theta": 1e6, "rope_scaling": {"type": "linear", "factor": 2.5}},
            "linear by rope_type": {"rope_scaling": {"rope_type": "linear", "factor": 4}},
            "dynamic": {"rope_theta": 1e5, "max_position_embeddings": 512,
                        "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}},
            "llama3": {"rope_theta": 5e5, "max_position_embeddings": 1024,
                       "rope_scaling": {**LLAMA3, "original_max_position_embeddings": 64}},
            "default type": {"rope_theta": 5e5, "rope_scaling": {"rope_type": "default"}},
            "parameters": {"rope_parameters": {"rope_type": "default", "rope_theta": 123456.0}},
            "parameters, no type": {"rope_parameters": {"rope_theta": 123456.0}},
            "parameters, no theta": {"rope_parameters": {"rope_type": "linear", "factor": 3.0}},
            "parameters, outer theta": {"rope_theta": 777.0, "rope_parameters": {"rope_type": "linear", "factor": 3.0}},
            "parameters, two thetas": {"rope_theta": 777.0,
                                       "rope_parameters": {"rope_type": "default", "rope_theta": 888.0}},
            "parameters, llama3": {"max_position_embeddings": 1024,
                                   "rope_parameters": {**LLAMA3, "rope_theta": 5e5,
                                                       "original_max_position_embeddings": 64}},
            "parameters, llama3 without original": {"max_position_embeddings": 1024,
                                                    "rope_parameters": {**LLAMA3, "rope_theta": 5e5}},
            "parameters, dynamic": {"max_position_embeddings": 512,
                                    "rope_parameters": {"rope_type": "dynamic", "rope_theta": 5e4, "factor": 4.0}},
            "null parameters": {"rope_parameters": None},
            "tied": {"tie_word_embeddings": True},
            "untied": {"tie_word_embeddings": False},
            "epsilon and activation": {"rms_norm_eps": 1e-5, "hidden_act": "gelu"},
            "two end tokens": {"eos_token_id": [3, 5]},
            "no end token": {"eos_token_id": None},
        }.items():
            yield model, name, {"num_key_value_heads": 2, **fields}
    yield "mistral", "no window", {"num_key_value_heads": 2, "sliding_window": None}
    yield "mistral", "window", {"num_key_value_heads": 2, "sliding_window": 7}
    on = {"num_key_value_heads": 2, "use_sliding_window": True, "sliding_window": 7}
    for model in ("qwen2", "qwen3"):
        yield model, "window off", {"num_key_value_heads": 2, "sliding_window": 7, "max_window_layers": 1}
        yield model, "window on", {**on, "max_window_layers": 1}
        yield model, "window in all", {**on, "max_window_layers": 0}
        yield model, "window from the default layer", {**on, "num_hidden_layers": 30}
        yield model, "default window", {"num_key_value_heads": 2, "use_sliding_window": True, "max_window_layers": 2}
        yield model, "null window", {**on, "max_window_layers": 2, "sliding_window": None}
        yield model, "layer types", {**on, "max_window_layers": 3, "layer_types": [SLIDING, FULL, SLIDING]}
        yield model, "full layer types", {**on, "max_window_layers": 0, "layer_types": [FULL] * 3}
        yield model, "full layer types, off", {"num_key_value_heads": 2, "use_sliding_window": False,
                                               "sliding_window": None, "layer_types": [FULL] * 3}


def windows(model, config):
    if model == "llama":
        return [0] * config.num_hidden_layers
    if model == "mistral":
        return [config.sliding_window or 0] * config.num_hidden_layers
    return [config.sliding_window if kind == SLIDING else 0 for kind in config.layer_types]


def read(model, fields):
    config = CLASSES[model].from_dict(copy.deepcopy(fields))
    eos = config.eos_token_id
    return {
        "norm_eps": config.rms_norm_eps,
        "activation": config.hidden_act,
        "tied_head": config.tie_word_embeddings,
        "n_kv_heads": config.num_key_value_heads,
        "d_head": getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        "max_positions": config.max_position_embeddings,
        "rope": config.rope_parameters,
        "sliding_window": windows(model, config),
        "eos_ids": [] if eos is None else eos if isinstance(eos, list) else [eos],
    }


rows = []
for model, name, fields in cases():
    fields = {"model_type": model, **SIZES, **fields}
    rows.append(json.dumps({"name": f"{model}: {name}", "config": fields, "expected": read(model, fields)}))
print(json.dumps({"made_by": f"scripts/make_config_golden.py, transformers {transformers.__version__}"})[:-1] + ',\n"cases": [')
print(",\n".join(rows) + "\n]}")
