#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/<family>_step.safetensors: one training step of tiny models of Hugging Face transformers.

The models are the library's own classes in float64. Where they cast to float32 whatever the input (norms, softmax, RoPE),
the cast is taken to float64 instead: see float64_throughout.

    python3 tests/oracles/families_step.py tests/golden        # needs torch, transformers, numpy, safetensors
"""

import argparse
import dataclasses
import importlib
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
import transformers
from safetensors.numpy import save_file

IGNORED = -1  # label of a position that is not supervised


class _Float64Torch:
    """torch, except that its float32 is float64."""

    float32 = float = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def float64_throughout(families):
    modules = [f"transformers.models.{family}.modeling_{family}" for family in families]
    for name in [*modules, "transformers.modeling_rope_utils"]:
        importlib.import_module(name).torch = _Float64Torch()
    torch.Tensor.float = torch.Tensor.double


# ---- Parameters: our names and layout from the library's.


def llama_parameters(tensors, c):
    """`tensors`: weights or gradients by the library's names."""
    ours = {"embedding.weight": tensors["model.embed_tokens.weight"]}
    for i in range(c.num_hidden_layers):
        theirs, block = f"model.layers.{i}.", f"blocks.{i}."
        ours[block + "attention_norm.weight"] = tensors[theirs + "input_layernorm.weight"]
        for kind in ("weight", "bias"):
            parts = [tensors.get(f"{theirs}self_attn.{x}_proj.{kind}") for x in "qkv"]
            if parts[0] is not None:
                ours[f"{block}attention.qkv.{kind}"] = torch.cat(parts)
        for x in "qk":
            if f"{theirs}self_attn.{x}_norm.weight" in tensors:
                ours[f"{block}attention.{x}_norm.weight"] = tensors[f"{theirs}self_attn.{x}_norm.weight"]
        ours[block + "attention.out.weight"] = tensors[theirs + "self_attn.o_proj.weight"]
        ours[block + "mlp_norm.weight"] = tensors[theirs + "post_attention_layernorm.weight"]
        ours[block + "mlp.gate_up.weight"] = torch.cat(
            [tensors[f"{theirs}mlp.{x}_proj.weight"] for x in ("gate", "up")])
        ours[block + "mlp.down.weight"] = tensors[theirs + "mlp.down_proj.weight"]
    ours["final_norm.weight"] = tensors["model.norm.weight"]
    if not c.tie_word_embeddings:
        ours["head.weight"] = tensors["lm_head.weight"]
    return ours


def gpt2_parameters(tensors, c):
    """Its matrices are stored [in, out]."""
    ours = {"embedding.weight": tensors["transformer.wte.weight"], "positions.weight": tensors["transformer.wpe.weight"]}
    names = {"ln_1": "attention_norm", "attn.c_attn": "attention.qkv", "attn.c_proj": "attention.out", "ln_2": "mlp_norm",
             "mlp.c_fc": "mlp.up", "mlp.c_proj": "mlp.down"}
    for i in range(c.n_layer):
        for theirs, name in names.items():
            for kind in ("weight", "bias"):
                tensor = tensors[f"transformer.h.{i}.{theirs}.{kind}"]
                ours[f"blocks.{i}.{name}.{kind}"] = tensor.T if tensor.dim() == 2 else tensor
    for kind in ("weight", "bias"):
        ours["final_norm." + kind] = tensors["transformer.ln_f." + kind]
    return ours


# ---- Cases.


@dataclasses.dataclass(frozen=True)
class Case:
    model: type
    config: transformers.PretrainedConfig
    fields: dict  # of ModelConfig, as overrides
    parameters: callable
    length: int = 16


def llama_fields(c):
    names = ("vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads intermediate_size "
             "max_position_embeddings rms_norm_eps tie_word_embeddings").split()
    fields = {name: getattr(c, name) for name in names}
    fields["head_dim"] = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    fields["rope_theta"] = c.rope_parameters["rope_theta"]
    return fields


def llama_case(model, config, length=16, **fields):
    fields = {"model.llama." + name: value for name, value in (llama_fields(config) | fields).items()}
    return Case(model, config, fields, llama_parameters, length)


def cases():
    sizes = dict(vocab_size=37, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                 intermediate_size=24, max_position_embeddings=32, hidden_act="silu", attention_dropout=0.0,
                 rms_norm_eps=1e-5, tie_word_embeddings=False, attn_implementation="sdpa")
    # Wavelengths 6, 20, 63 … around 32 / 4 and 32 / 1: one stays, one is stretched in part, the others by the factor;
    # the sequence is longer than 32.
    scaling = dict(factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
    long = sizes | dict(num_attention_heads=2, num_key_value_heads=1, intermediate_size=20, max_position_embeddings=64)
    yield "llama3", llama_case(
        transformers.LlamaForCausalLM,
        transformers.LlamaConfig(**long, head_dim=16,
                                 rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, **scaling)),
        length=44, **{"rope_scaling." + name: value for name, value in scaling.items()})
    yield "mistral", llama_case(
        transformers.MistralForCausalLM,
        transformers.MistralConfig(**sizes, sliding_window=5,
                                   rope_parameters=dict(rope_type="default", rope_theta=10000.0)),
        sliding_window=5)
    yield "qwen2", llama_case(
        transformers.Qwen2ForCausalLM,
        transformers.Qwen2Config(**(sizes | dict(tie_word_embeddings=True, rms_norm_eps=1e-6)),
                                 rope_parameters=dict(rope_type="default", rope_theta=1000000.0)),
        qkv_bias=True)
    yield "qwen3", llama_case(
        transformers.Qwen3ForCausalLM,
        transformers.Qwen3Config(**(sizes | dict(head_dim=8, rms_norm_eps=1e-6)),
                                 rope_parameters=dict(rope_type="default", rope_theta=1000000.0)),
        qk_norm=True)
    gpt2 = transformers.GPT2Config(vocab_size=37, n_embd=16, n_layer=2, n_head=4, n_inner=24, n_positions=20, resid_pdrop=0.0,
                                   embd_pdrop=0.0, attn_pdrop=0.0, layer_norm_epsilon=1e-5, bos_token_id=None,
                                   eos_token_id=None, attn_implementation="sdpa")
    fields = dict(vocab_size=37, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24,
                  max_position_embeddings=20, layer_norm_epsilon=1e-5)
    yield "gpt2", Case(transformers.GPT2LMHeadModel, gpt2, {"model.gpt2." + n: v for n, v in fields.items()}, gpt2_parameters)


# ---- A step.


def randomise(model, generator):
    """Values that are exact in float32, so that both precisions start equal; nothing at 0 or 1 that would hide a use."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            is_norm = "norm" in name or ".ln_" in name
            if parameter.dim() == 2:
                noise *= 0.25
            elif is_norm and name.endswith("weight"):
                noise = 1 + 0.2 * noise
            else:
                noise *= 0.3
            parameter.copy_(noise.to(torch.float32).to(torch.float64))


def random_batch(length, vocab_size, generator):
    """Whole rows; the last label and the first of some rows (a prompt) are not supervised."""
    tokens = torch.randint(vocab_size, (3, length), generator=generator)
    labels = torch.cat([tokens[:, 1:], torch.full((3, 1), IGNORED)], dim=1)
    labels[1, :9] = IGNORED
    labels[2, :2] = IGNORED
    return {"tokens": tokens, "labels": labels, "positions": torch.arange(length).expand(3, length),
            "documents": torch.zeros_like(tokens)}


def loss_of(model, batch):
    logits = model(input_ids=batch["tokens"], use_cache=False).logits
    labels = batch["labels"]
    total = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return total / (labels != IGNORED).sum(), logits


def check_gradient(model, batch, generator):
    """Against a central difference along a random direction: nothing on the way was narrower than float64."""
    parameters = list(model.parameters())
    directions = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
    exact = sum((p.grad * d).sum().item() for p, d in zip(parameters, directions))
    h = 1e-6
    values = []
    with torch.no_grad():
        for step in (h, -2 * h, h):
            for p, d in zip(parameters, directions):
                p.add_(d, alpha=step)
            values.append(loss_of(model, batch)[0].item())
    difference = (values[0] - values[1]) / (2 * h)
    assert abs(difference - exact) <= 1e-7 * max(1.0, abs(exact)), (difference, exact)


def step(case, seed):
    generator = torch.Generator().manual_seed(seed)
    model = case.model(case.config).to(torch.float64).eval()
    randomise(model, generator)
    batch = random_batch(case.length, case.config.vocab_size, generator)
    loss, logits = loss_of(model, batch)
    loss.backward()
    assert loss.dtype == logits.dtype == torch.float64
    weights = case.parameters(dict(model.named_parameters()), case.config)
    gradients = case.parameters({name: p.grad for name, p in model.named_parameters()}, case.config)
    fields = {"loss": loss.reshape(1), "logits": logits[:, -1]}
    fields |= {"weight." + name: w.to(torch.float32) for name, w in weights.items()}
    fields |= {"grad." + name: g for name, g in gradients.items()}
    fields = {name: tensor.detach().clone() for name, tensor in fields.items()}
    check_gradient(model, batch, generator)
    return fields | batch


def write(path, fields, case):
    text = {True: "true", False: "false"}
    metadata = {name: text[value] if isinstance(value, bool) else repr(value) for name, value in case.fields.items()}
    metadata["oracle"] = f"transformers {transformers.__version__}, PyTorch {torch.__version__}"
    arrays = {}
    for name, tensor in fields.items():
        array = tensor.numpy()
        arrays[name] = np.ascontiguousarray(array.astype(np.int32) if array.dtype == np.int64 else array)
    save_file(arrays, path, metadata)
    print(f"{path}: {path.stat().st_size} bytes, {len(arrays)} tensors, loss {fields['loss'].item()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="where to write; tests/golden in the repository")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    float64_throughout(["llama", "mistral", "qwen2", "qwen3", "gpt2"])
    for seed, (name, case) in enumerate(cases(), start=11):
        write(folder / f"{name}_step.safetensors", step(case, seed), case)


if __name__ == "__main__":
    main()
