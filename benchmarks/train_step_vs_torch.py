# SPDX-License-Identifier: Apache-2.0
"""train_step_vs_torch.py BIN_FOLDER CONFIG RESULT_JSON [DTYPE] [PAIRS]: one training step of a tied Llama by train_step
(the TrainingJob of `cadmus train`) and by PyTorch, the faster of eager and compile, on the same weights and tokens.
Processes alternate; the median step of each counts, warm-up steps do not. The losses of both sides must agree. In turn
with them also PyTorch in huge pages, in which our memory lies anyway and its own only when asked, and the rate of
dnnl_sgemm on the products of the step, in huge pages. DTYPE is f32 or bf16."""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WARM_UP = 2
STEPS = WARM_UP + 3
# Both sides start from the same f32 numbers; bf16 rounds every activation to 8 bits.
LOSS_BOUND = {"f32": 1e-4, "bf16": 2e-2}


def read_config(path):
    with open(path) as file:
        text = re.sub(r"#.*", "", file.read())
    values = {key: int(value) for key, value in re.findall(r"(\w+): (\d+)\b(?!\.|e)", text)}
    values["batch"] = values["micro_batch_size"]
    values["tied"] = "tie_word_embeddings: true" in text
    values["recomputes"] = "recompute: FULL" in text
    return values


def products(c):
    """(m, n, k, op(A), op(B), count) of the linear layers: forward, input gradient, weight gradient."""
    tokens = c["batch"] * c["sequence_length"]
    width, mlp, layers = c["hidden_size"], c["intermediate_size"], c["num_hidden_layers"]
    head_dim = width // c["num_attention_heads"]
    qkv = (c["num_attention_heads"] + 2 * c["num_key_value_heads"]) * head_dim
    shapes = []
    for out, inner, count in ((qkv, width, layers), (width, width, layers), (2 * mlp, width, layers),
                              (width, mlp, layers), (c["vocab_size"], width, 1)):  # fmt: skip
        shapes.append((tokens, out, inner, "N", "T", count))
        shapes.append((tokens, inner, out, "N", "N", count))
        shapes.append((out, inner, tokens, "T", "N", count))
    return shapes


HUGE_PAGES = {"THP_MEM_ALLOC_ENABLE": "1", "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def run(command, threads, text=None, huge_pages=False):
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), **(HUGE_PAGES if huge_pages else {}))
    result = subprocess.run(command, env=environment, input=text, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"{command}: {result.stderr}")
    return json.loads(result.stdout)


def check_losses(name, losses, reference, bound):
    for step, (a, b) in enumerate(zip(losses, reference)):
        if abs(a - b) > bound * abs(b):
            sys.exit(f"step {step + 1}: the loss of {name} is {a}, that of PyTorch {b}")


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "all": values}


def main():
    folder, config_path, result_path = sys.argv[1:4]
    dtype = sys.argv[4] if len(sys.argv) > 4 else "f32"
    pairs = int(sys.argv[5]) if len(sys.argv) > 5 else 7
    c = read_config(config_path)
    threads = c["threads"]
    shapes = products(c)
    flops = sum(2 * m * n * k * count for m, n, k, _, _, count in shapes)
    shapes_text = "\n".join(" ".join(map(str, shape)) for shape in shapes)
    with tempfile.TemporaryDirectory() as temporary:
        weights = os.path.join(temporary, "weights.safetensors")
        subprocess.run([f"{folder}/train_step", config_path, "weights", weights], check=True)
        torch = [sys.executable, f"{HERE}/train_step_torch.py", json.dumps(c), weights]
        ours = {"cadmus f32": [f"{folder}/train_step", config_path, str(STEPS)]}
        if dtype == "bf16":
            ours["cadmus bf16"] = [*ours["cadmus f32"], "precision.storage=BF16"]
        theirs = {f"torch {mode} {dtype}": [*torch, mode, dtype, str(STEPS)] for mode in ("eager", "compile")}
        found = {name: run(command, threads) for name, command in theirs.items()}
        other = min(theirs, key=lambda name: statistics.median(found[name]["seconds"][WARM_UP:]))
        other_in_huge_pages = f"{other}, huge pages"
        commands = {**ours, other: theirs[other], other_in_huge_pages: theirs[other]}
        seconds = {name: [] for name in commands}
        cpu_seconds = {name: [] for name in commands}
        rates = []
        for _ in range(pairs):
            for name, command in commands.items():
                result = run(command, threads, huge_pages=name == other_in_huge_pages)
                bound = LOSS_BOUND["bf16" if "bf16" in name + other else "f32"]
                check_losses(name, result["losses"], found[other]["losses"], bound)
                seconds[name].append(statistics.median(result["seconds"][WARM_UP:]))
                cpu_seconds[name].append(statistics.median(result["cpu_seconds"][WARM_UP:]))
            gemm = run([f"{folder}/sgemm_rate", str(threads)], threads, shapes_text, huge_pages=True)
            rates.append(gemm["flops"] / gemm["seconds"] / 1e9)
            print({name: round(values[-1], 3) for name, values in seconds.items()}, round(rates[-1], 1), file=sys.stderr)
    import torch

    medians = {name: statistics.median(values) for name, values in seconds.items()}
    own = f"cadmus {dtype}"
    result = {
        "what": "seconds of one training step: forward, backward, clipping, AdamW; medians of steps, then of processes",
        "config": os.path.basename(config_path),
        "threads": threads,
        "pairs": pairs,
        "seconds": {name: summary(values) for name, values in seconds.items()},
        "cpu_seconds": {name: summary(values) for name, values in cpu_seconds.items()},
        "other_modes": {name: statistics.median(found[name]["seconds"][WARM_UP:]) for name in theirs},
        "ratio_of_medians": round(medians[other] / medians[own], 3),
        "ratio_of_medians_to_huge_pages": round(medians[other_in_huge_pages] / medians[own], 3),
        "ratio_of_each_pair": [round(b / a, 3) for a, b in zip(seconds[own], seconds[other])],
        "linear_gflop": round(flops / 1e9, 3),
        "step_gflops": round(flops / 1e9 / medians["cadmus f32"], 1),
        "sgemm_gflops": summary(rates),
        "share_of_sgemm_rate": round(flops / 1e9 / medians["cadmus f32"] / statistics.median(rates), 3),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
        "machine": cpu_name(),
        "load_average": os.getloadavg(),
    }
    if dtype == "bf16":
        result["bf16_over_our_f32"] = round(medians["cadmus f32"] / medians[own], 3)
    with open(result_path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    shown = ("ratio_of_medians", "ratio_of_medians_to_huge_pages", "share_of_sgemm_rate", "bf16_over_our_f32")
    print(json.dumps({**medians, **{key: result[key] for key in shown if key in result}}))


def cpu_name():
    with open("/proc/cpuinfo") as file:
        fields = dict(re.findall(r"^(.*?)\s*: (.*)$", file.read(), re.MULTILINE))
    vector = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in fields.get("flags", "").split()]
    return f"{fields.get('model name', platform.machine())}, {os.cpu_count()} cores, {' '.join(vector)}"


if __name__ == "__main__":
    main()
