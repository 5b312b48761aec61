# SPDX-License-Identifier: Apache-2.0
"""train_step_torch.py MODEL_JSON WEIGHTS MODE DTYPE STEPS: the training step of train_step.cc by PyTorch: the same Llama
from the same weights, SDPA, fused AdamW, MODE eager or compile, DTYPE f32 or bf16 (autocast: f32 weights and optimizer,
as PyTorch trains in bf16). WEIGHTS is a file, or - for random ones. MODEL_JSON may say "device": "cuda" and "attention":
"FLASH_ATTENTION" or "CUDNN_ATTENTION", else it is the CPU and PyTorch's own choice. Prints one JSON object: losses, and the
seconds and the processor's seconds of each step."""

import contextlib
import json
import sys
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


def token(i, vocab_size):
    """The same made-up tokens as in train_step.cc."""
    return ((i + 1) * 0x9E3779B97F4A7C15 % (1 << 64) >> 33) % vocab_size


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        width, self.heads, self.kv_heads = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"]
        self.head_dim = width // self.heads
        self.attention_norm = nn.RMSNorm(width, eps=1e-5)
        self.qkv = nn.Linear(width, (self.heads + 2 * self.kv_heads) * self.head_dim, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp_norm = nn.RMSNorm(width, eps=1e-5)
        self.gate_up = nn.Linear(width, 2 * c["intermediate_size"], bias=False)
        self.down = nn.Linear(c["intermediate_size"], width, bias=False)

    def forward(self, x, cos, sin):
        batch, length, width = x.shape
        q, k, v = (
            self.qkv(self.attention_norm(x))
            .view(batch, length, self.heads + 2 * self.kv_heads, self.head_dim)
            .transpose(1, 2)
            .split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        )

        def rotated(y):
            low, high = y.chunk(2, dim=-1)
            return torch.cat((low * cos - high * sin, high * cos + low * sin), dim=-1).to(y.dtype)

        y = F.scaled_dot_product_attention(rotated(q), rotated(k), v, is_causal=True, enable_gqa=True)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        gate, up = self.gate_up(self.mlp_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class Llama(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embedding = nn.Embedding(c["vocab_size"], c["hidden_size"])
        self.blocks = nn.ModuleList(Block(c) for _ in range(c["num_hidden_layers"]))
        self.final_norm = nn.RMSNorm(c["hidden_size"], eps=1e-5)
        self.head = nn.Linear(c["hidden_size"], c["vocab_size"], bias=False)
        if c["tied"]:
            self.head.weight = self.embedding.weight
        half = c["hidden_size"] // c["num_attention_heads"] // 2
        angle = torch.arange(c["sequence_length"])[:, None] * c.get("rope_theta", 10000) ** (-torch.arange(half) / half)
        self.register_buffer("cos", torch.cos(angle), persistent=False)
        self.register_buffer("sin", torch.sin(angle), persistent=False)

    def forward(self, tokens, labels):
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        logits = self.head(self.final_norm(x))
        return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten())


def attention_of(c):
    if "attention" not in c:
        return contextlib.nullcontext()
    return sdpa_kernel(getattr(SDPBackend, c["attention"]))


def random_weights(model):
    """Of the size that training starts from: a loss near log(vocab_size)."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.02)


def main():
    c, weights, mode, dtype, steps = json.loads(sys.argv[1]), *sys.argv[2:5], int(sys.argv[5])
    device = c.get("device", "cpu")
    if device == "cpu":
        torch.set_num_threads(c["threads"])
    with torch.device(device):
        model = Llama(c)
    if weights == "-":
        random_weights(model)
    else:
        loaded = {name.replace(".attention.", ".").replace(".mlp.", "."): w for name, w in load_file(weights).items()}
        if c["tied"]:
            loaded["head.weight"] = loaded["embedding.weight"]
        model.load_state_dict(loaded)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.1},
            {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=3e-4,
        betas=(0.9, 0.95),
        fused=True,
    )
    loss_of = torch.compile(model) if mode == "compile" else model
    batch, length = c["batch"], c["sequence_length"]
    rows = torch.tensor([[token(r * (length + 1) + i, c["vocab_size"]) for i in range(length + 1)] for r in range(batch)])
    rows = rows.to(device)
    tokens, labels = rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=dtype == "bf16"), attention_of(c):
            loss = loss_of(tokens, labels)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    losses, seconds, cpu_seconds = [], [], []
    for _ in range(steps):
        start, cpu_start = time.perf_counter(), time.process_time()
        losses.append(step())
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    print(json.dumps({"losses": losses, "seconds": seconds, "cpu_seconds": cpu_seconds}))


if __name__ == "__main__":
    main()
