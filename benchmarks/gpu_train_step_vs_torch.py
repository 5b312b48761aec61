# SPDX-License-Identifier: Apache-2.0
"""gpu_train_step_vs_torch.py BIN_FOLDER CONFIG RESULT_JSON PEAK_TFLOPS [PAIRS]: tokens per second of a training step in bf16
on one GPU, by train_step and by PyTorch at its best: compiled, autocast, fused AdamW, the faster of FLASH and CUDNN
attention, each side with the micro-batch that suits it best. Processes alternate; the median step of each counts. Where
both can start from the same weights (below a billion parameters) and micro-batches are equal, losses must agree. MFU and
HFU are shares of PEAK_TFLOPS, the GPU's dense bf16 peak."""

import json
import os
import statistics
import subprocess
import sys
import tempfile

from train_step_vs_torch import HERE, LOSS_BOUND, STEPS, WARM_UP, check_losses, products, read_config, summary

MICRO_BATCHES = (1, 2, 4, 8, 16, 32, 64)
ATTENTIONS = ("FLASH_ATTENTION", "CUDNN_ATTENTION")
LONGEST_RUN = 240  # seconds of one process, compilation included


def attention_flops(c):
    """Causal, forward, of one micro-batch: 4 · H · D for half of the square."""
    return 2 * c["num_hidden_layers"] * c["batch"] * c["hidden_size"] * c["sequence_length"] ** 2


def model_flops(c):
    """Of one step, as the model is written: backward of attention is 2.5 times its forward."""
    return sum(2 * m * n * k * count for m, n, k, _, _, count in products(c)) + 3.5 * attention_flops(c)


def recomputed_flops(c):
    """The forward pass of the blocks, which FULL recomputation runs again."""
    linear = sum(2 * m * n * k * count for m, n, k, a, b, count in products(c)[:-3] if (a, b) == ("N", "T"))
    return linear + attention_flops(c) if c["recomputes"] else 0


def num_parameters(c):
    tables = c["vocab_size"] * c["hidden_size"] * (1 if c["tied"] else 2)
    return tables + sum(m * n * count for m, n, _, a, _, count in products(c)[:-3] if a == "T")


def ours(folder, config, c, batch):
    sizes = [f"train.micro_batch_size={batch}", f"train.global_batch_size={batch}"]
    return [f"{folder}/train_step", config, str(STEPS), "device.kind=CUDA", "precision.storage=BF16", *sizes]


def theirs(c, weights, batch, attention):
    shape = dict(c, batch=batch, device="cuda", attention=attention)
    return [sys.executable, f"{HERE}/train_step_torch.py", json.dumps(shape), weights, "compile", "bf16", str(STEPS)]


def try_run(command):
    """What the process found, or None where it failed or took too long: most often the memory is too small."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_RUN)
    except subprocess.TimeoutExpired:
        print(f"took more than {LONGEST_RUN} s: {command}", file=sys.stderr)
        return None
    if result.returncode != 0:
        print(result.stderr[-1000:], file=sys.stderr)
        return None
    return json.loads(result.stdout)


def tokens_per_second(c, batch, found):
    return batch * c["sequence_length"] / statistics.median(found["seconds"][WARM_UP:])


def best_batch(c, name, command_of):
    """The micro-batch with the most tokens per second; larger ones are not tried once they gain nothing."""
    best, best_rate = None, 0.0
    for batch in MICRO_BATCHES:
        found = try_run(command_of(batch))
        rate = tokens_per_second(c, batch, found) if found else 0.0
        print(f"{name}, micro-batch {batch}: {rate:.0f} tokens/s", file=sys.stderr)
        if rate <= best_rate:
            break
        best, best_rate = batch, rate
    if best is None:
        sys.exit(f"{name} does not run at any micro-batch")
    return best


def best_of_torch(c, weights):
    """(attention, micro-batch): the attention is chosen at the smallest micro-batch at which either runs."""
    rates = {}
    for attention in ATTENTIONS:
        found = try_run(theirs(c, weights, 1, attention))
        rates[attention] = tokens_per_second(c, 1, found) if found else 0.0
    print(rates, file=sys.stderr)
    attention = max(rates, key=rates.get)
    return attention, best_batch(c, "torch", lambda batch: theirs(c, weights, batch, attention))


def side(c, batch, rates, extra_flops, peak_tflops):
    tokens = batch * c["sequence_length"]
    steps_per_peak = statistics.median(rates) / tokens / (peak_tflops * 1e12)
    flops = model_flops(dict(c, batch=batch))
    return {
        "micro_batch": batch,
        "tokens_per_second": summary(rates),
        "mfu": round(flops * steps_per_peak, 4),
        "hfu": round((flops + extra_flops) * steps_per_peak, 4),
    }


def gpu_name():
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True).stdout.strip()


def main():
    folder, config_path, result_path, peak_tflops = *sys.argv[1:4], float(sys.argv[4])
    pairs = int(sys.argv[5]) if len(sys.argv) > 5 else 3
    c = read_config(config_path)
    same_weights = num_parameters(c) < 1e9
    with tempfile.TemporaryDirectory() as temporary:
        weights = "-"
        if same_weights:
            weights = os.path.join(temporary, "weights.safetensors")
            write = [f"{folder}/train_step", config_path, "weights", weights]
            subprocess.run([*write, "device.kind=CUDA"], check=True)
        attention, their_batch = best_of_torch(c, weights)
        our_batch = best_batch(c, "cadmus", lambda batch: ours(folder, config_path, c, batch))
        rates = {"cadmus": [], "torch": []}
        for _ in range(pairs):
            found_ours = try_run(ours(folder, config_path, c, our_batch))
            found_theirs = try_run(theirs(c, weights, their_batch, attention))
            if not found_ours or not found_theirs:
                sys.exit("a run that succeeded before failed now")
            if same_weights and our_batch == their_batch:
                check_losses("cadmus", found_ours["losses"], found_theirs["losses"], LOSS_BOUND["bf16"])
            rates["cadmus"].append(tokens_per_second(c, our_batch, found_ours))
            rates["torch"].append(tokens_per_second(c, their_batch, found_theirs))
    import torch

    result = {
        "what": "tokens per second of one training step: forward, backward, clipping, AdamW; medians of steps, then of processes",
        "config": os.path.basename(config_path),
        "pairs": pairs,
        "peak_tflops": peak_tflops,
        "cadmus": side(c, our_batch, rates["cadmus"], recomputed_flops(dict(c, batch=our_batch)), peak_tflops),
        "torch": side(c, their_batch, rates["torch"], 0, peak_tflops),
        "torch_attention": attention,
        "ratio_of_medians": round(statistics.median(rates["cadmus"]) / statistics.median(rates["torch"]), 3),
        "ratio_of_each_pair": [round(a / b, 3) for a, b in zip(rates["cadmus"], rates["torch"])],
        "losses_compared": same_weights and our_batch == their_batch,
        "versions": {"torch": torch.__version__},
        "machine": gpu_name(),
    }
    with open(result_path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
