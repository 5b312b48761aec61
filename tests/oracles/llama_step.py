#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/llama_*.safetensors: one training step and a 20-step curve of a small Llama, by PyTorch.

The model is written out by hand in the dtype of its tensors, because library layers compute norms and softmax in
float32 whatever the input: here a float64 run is float64 throughout.

    python3 tests/oracles/llama_step.py tests/golden        # needs torch, numpy, safetensors
"""

import argparse
import dataclasses
import math
import pathlib

import numpy as np
import torch
from safetensors.numpy import save_file

IGNORED = -1  # label of a position that is not supervised


@dataclasses.dataclass(frozen=True)
class LlamaConfig:
    """Fields as in models/llama/llama_config.proto."""

    vocab_size: int = 131
    hidden_size: int = 32
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 8
    intermediate_size: int = 48
    rms_norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    tie_word_embeddings: bool = False


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Fields as in runtime/optim/optimizer_config.proto, and the number of steps."""

    steps: int = 20
    warmup_steps: int = 5
    lr: float = 2e-2
    min_lr: float = 2e-3
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 0.1
    clip_norm: float = 1.0

    def lr_of(self, step):
        if step < self.warmup_steps:
            return self.lr * (step + 1) / self.warmup_steps
        progress = (step - self.warmup_steps) / (self.steps - self.warmup_steps)
        return self.min_lr + 0.5 * (self.lr - self.min_lr) * (1 + math.cos(math.pi * progress))


# ---- Model: shapes B batch, S sequence, M model, H heads, K kv heads, D head, F mlp, V vocabulary.


def parameter_shapes(c):
    qkv = (c.num_attention_heads + 2 * c.num_key_value_heads) * c.head_dim
    shapes = {"embedding.weight": (c.vocab_size, c.hidden_size)}
    for i in range(c.num_hidden_layers):
        shapes |= {
            f"blocks.{i}.attention_norm.weight": (c.hidden_size,),
            f"blocks.{i}.attention.qkv.weight": (qkv, c.hidden_size),
            f"blocks.{i}.attention.out.weight": (c.hidden_size, c.num_attention_heads * c.head_dim),
            f"blocks.{i}.mlp_norm.weight": (c.hidden_size,),
            f"blocks.{i}.mlp.gate_up.weight": (2 * c.intermediate_size, c.hidden_size),
            f"blocks.{i}.mlp.down.weight": (c.hidden_size, c.intermediate_size),
        }
    shapes["final_norm.weight"] = (c.hidden_size,)
    if not c.tie_word_embeddings:
        shapes["head.weight"] = (c.vocab_size, c.hidden_size)
    return shapes


def random_weights(c, std, generator):
    """float64 tensors whose values are exact in float32, so that both precisions start from the same numbers."""
    weights = {}
    for name, shape in parameter_shapes(c).items():
        w = torch.randn(shape, generator=generator, dtype=torch.float64)
        w = 1 + 0.1 * w if len(shape) == 1 else std * w
        weights[name] = w.float().double()
    return weights


def rms_norm(x, weight, eps):
    return weight * x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps)


def rope(x_BSHD, positions_BS, theta):
    """Rotates the pairs (i, i + D/2) by position * theta^(-2i/D)."""
    half = x_BSHD.shape[-1] // 2
    frequency = theta ** (-torch.arange(half, dtype=x_BSHD.dtype) / half)
    angle = (positions_BS.to(x_BSHD.dtype)[..., None] * frequency)[:, :, None, :]
    cos, sin = torch.cos(angle), torch.sin(angle)
    a, b = x_BSHD[..., :half], x_BSHD[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def attention(c, w_qkv, w_out, x_BSM, positions_BS, documents_BS):
    B, S, _ = x_BSM.shape
    H, K, D = c.num_attention_heads, c.num_key_value_heads, c.head_dim
    q, k, v = (x_BSM @ w_qkv.T).split([H * D, K * D, K * D], dim=-1)
    q = rope(q.view(B, S, H, D), positions_BS, c.rope_theta)
    k = rope(k.view(B, S, K, D), positions_BS, c.rope_theta).repeat_interleave(H // K, dim=2)
    v = v.view(B, S, K, D).repeat_interleave(H // K, dim=2)
    scores_BHST = torch.einsum("bshd,bthd->bhst", q, k) / math.sqrt(D)
    causal = torch.ones(S, S, dtype=torch.bool).tril()
    same_document = documents_BS[:, :, None] == documents_BS[:, None, :]
    scores_BHST = scores_BHST.masked_fill(~(causal & same_document)[:, None], -math.inf)
    e = torch.exp(scores_BHST - scores_BHST.amax(-1, keepdim=True).detach())
    out = torch.einsum("bhst,bthd->bshd", e / e.sum(-1, keepdim=True), v)
    return out.reshape(B, S, H * D) @ w_out.T


def mlp(w_gate_up, w_down, x_BSM):
    gate, up = (x_BSM @ w_gate_up.T).chunk(2, dim=-1)
    return (gate / (1 + torch.exp(-gate)) * up) @ w_down.T


def logits(c, w, batch):
    x = w["embedding.weight"][batch["tokens"]]
    for i in range(c.num_hidden_layers):
        block = f"blocks.{i}."
        h = rms_norm(x, w[block + "attention_norm.weight"], c.rms_norm_eps)
        x = x + attention(c, w[block + "attention.qkv.weight"], w[block + "attention.out.weight"], h,
                          batch["positions"], batch["documents"])
        h = rms_norm(x, w[block + "mlp_norm.weight"], c.rms_norm_eps)
        x = x + mlp(w[block + "mlp.gate_up.weight"], w[block + "mlp.down.weight"], h)
    x = rms_norm(x, w["final_norm.weight"], c.rms_norm_eps)
    return x @ w["embedding.weight" if c.tie_word_embeddings else "head.weight"].T


def loss(c, w, batch):
    """Sum of the cross-entropies of the supervised positions over their number in the whole batch."""
    z = logits(c, w, batch)
    labels = batch["labels"]
    supervised = labels != IGNORED
    peak = z.amax(-1, keepdim=True).detach()
    lse = (torch.log(torch.exp(z - peak).sum(-1, keepdim=True)) + peak).squeeze(-1)
    target = z.gather(-1, labels.clamp(min=0)[..., None]).squeeze(-1)
    return ((lse - target) * supervised).sum() / supervised.sum()


# ---- Data.


def packed_batch(document_lengths, masked_heads, num_symbols, generator):
    """One row per list of document lengths. In each document the first masked_heads[row] labels (a prompt) and the last
    one (whose target lies in the next document) are not supervised. Tokens follow a rule that can be learnt."""
    rows = []
    for lengths, masked in zip(document_lengths, masked_heads):
        row = {"tokens": [], "labels": [], "positions": [], "documents": []}
        for document, length in enumerate(lengths):
            tokens = [int(torch.randint(num_symbols, (), generator=generator))]
            while len(tokens) < length:
                tokens.append((5 * tokens[-1] + 7) % num_symbols)
            labels = tokens[1:] + [IGNORED]
            labels[:masked] = [IGNORED] * min(masked, length)
            row["tokens"] += tokens
            row["labels"] += labels
            row["positions"] += range(length)
            row["documents"] += [document] * length
        rows.append(row)
    return {field: torch.tensor([row[field] for row in rows]) for field in rows[0]}


# ---- Cases.


def cast(weights, dtype):
    return {name: w.to(dtype, copy=True).requires_grad_() for name, w in weights.items()}


def check_gradient(c, weights, batch, generator):
    """The gradient along a random direction against a central difference: guards the oracle itself."""
    w = cast(weights, torch.float64)
    loss(c, w, batch).backward()
    direction = {n: torch.randn(t.shape, generator=generator, dtype=torch.float64) for n, t in weights.items()}
    exact = sum((w[n].grad * d).sum().item() for n, d in direction.items())
    h = 1e-6
    with torch.no_grad():
        up = loss(c, {n: t + h * direction[n] for n, t in weights.items()}, batch).item()
        down = loss(c, {n: t - h * direction[n] for n, t in weights.items()}, batch).item()
    difference = (up - down) / (2 * h)
    assert abs(difference - exact) <= 1e-7 * max(1.0, abs(exact)), (difference, exact)


def step_case(c, seed):
    generator = torch.Generator().manual_seed(seed)
    weights = random_weights(c, 0.18, generator)
    # Unequal numbers of supervised tokens per row; a document of one token supervises nothing.
    batch = packed_batch([[7, 9], [16], [1, 4, 11]], [0, 9, 2], c.vocab_size, generator)
    check_gradient(c, weights, batch, generator)
    w = cast(weights, torch.float64)
    value = loss(c, w, batch)
    value.backward()
    fields = {"loss": value.detach().reshape(1)}
    fields |= {"weight." + name: t for name, t in weights.items()}
    fields |= {"grad." + name: t.grad for name, t in w.items()}
    return fields | batch


def train(c, t, weights, batches, dtype):
    w = cast(weights, dtype)
    decayed = [p for p in w.values() if p.dim() >= 2]
    others = [p for p in w.values() if p.dim() < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": t.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=t.lr, betas=(t.beta1, t.beta2), eps=t.epsilon)
    curve = {"loss": [], "gnorm": [], "lr": []}
    for step, batch in enumerate(batches):
        lr = t.lr_of(step)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.zero_grad()
        value = loss(c, w, batch)
        value.backward()
        gnorm = torch.nn.utils.clip_grad_norm_(list(w.values()), t.clip_norm)
        optimizer.step()
        for field, number in (("loss", value.item()), ("gnorm", gnorm.item()), ("lr", lr)):
            curve[field].append(number)
    return {name: torch.tensor(x, dtype=torch.float64) for name, x in curve.items()}, w


def curve_case(c, t, seed):
    generator = torch.Generator().manual_seed(seed)
    weights = random_weights(c, 0.05, generator)
    batches = [packed_batch([[7, 9], [16], [1, 4, 11], [5, 5, 6]], [0, 9, 2, 1], 24, generator)
               for _ in range(t.steps)]
    curve, final = train(c, t, weights, batches, torch.float64)
    clipped = int((curve["gnorm"] > t.clip_norm).sum())
    assert 0 < clipped < t.steps, f"clipping is active in {clipped} of {t.steps} steps: {curve['gnorm']}"
    curve_f32, _ = train(c, t, weights, batches, torch.float32)
    fields = dict(curve)
    fields |= {"f32." + name: curve_f32[name] for name in ("loss", "gnorm")}
    fields |= {"weight." + name: w for name, w in weights.items()}
    fields |= {"final." + name: w.detach() for name, w in final.items()}
    return fields | {name: torch.stack([b[name] for b in batches]) for name in batches[0]}


def write(path, fields, *configs):
    metadata = {"oracle": f"PyTorch {torch.__version__}"}
    for config in configs:
        for name, value in dataclasses.asdict(config).items():
            metadata[name] = str(value).lower() if isinstance(value, bool) else repr(value)
    arrays = {}
    for name, tensor in fields.items():
        array = tensor.detach().numpy()
        arrays[name] = np.ascontiguousarray(array if array.dtype == np.float64 else array.astype(np.int32))
    save_file(arrays, path, metadata)
    print(f"{path}: {path.stat().st_size} bytes, {len(arrays)} tensors, loss {fields['loss'].tolist()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="where to write; tests/golden in the repository")
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    untied, tied, training = LlamaConfig(), LlamaConfig(tie_word_embeddings=True), TrainConfig()
    write(folder / "llama_step_untied.safetensors", step_case(untied, seed=1), untied)
    write(folder / "llama_step_tied.safetensors", step_case(tied, seed=2), tied)
    write(folder / "llama_curve.safetensors", curve_case(untied, training, seed=3), untied, training)


if __name__ == "__main__":
    main()
