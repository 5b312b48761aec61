#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random models of every model_type through `cadmus ckpt import` and `ckpt export`, judged by transformers.

Each is saved by transformers, in one file and in shards, in float32 and bfloat16; imported, exported, and opened again:
tensors must be bit-equal, logits the same numbers, and greedy text of `cadmus generate` that of transformers.

    python3 tests/oracles/hugging_face_round_trip.py build/cadmus        # needs torch, transformers, safetensors
"""

import argparse
import pathlib
import subprocess
import tempfile

import torch
import transformers
from safetensors import safe_open

VOCABULARY = 320
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 32}
PROMPT = "the quick brown fox jumps over the lazy dog and over the river"


def configs():
    ids = dict(vocab_size=VOCABULARY, pad_token_id=None, bos_token_id=None, eos_token_id=None)
    common = ids | dict(hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
                        num_key_value_heads=2, max_position_embeddings=128, initializer_range=0.3)
    sliding = dict(use_sliding_window=True, sliding_window=7, max_window_layers=0)
    return {
        "llama": transformers.LlamaConfig(**common),
        "llama, scaled RoPE": transformers.LlamaConfig(**common, head_dim=16, rope_parameters=LLAMA3),
        "mistral": transformers.MistralConfig(**common, sliding_window=5),
        "qwen2": transformers.Qwen2Config(**common, tie_word_embeddings=True),
        "qwen2, sliding": transformers.Qwen2Config(**common, **sliding),
        "qwen3": transformers.Qwen3Config(**common, head_dim=16),
        "gpt2": transformers.GPT2Config(**ids, n_embd=32, n_layer=3, n_head=4, n_positions=128, initializer_range=0.3),
        "gpt2, untied": transformers.GPT2Config(**ids, n_embd=32, n_layer=3, n_head=4, n_positions=128, n_inner=56,
                                                tie_word_embeddings=False, initializer_range=0.3),
    }


def tensors(folder):
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as shard:
            for name in shard.keys():
                assert name not in found, name
                found[name] = shard.get_tensor(name)
    return found


def same_tensors(a, b):
    a, b = tensors(a), tensors(b)
    assert a.keys() == b.keys(), a.keys() ^ b.keys()
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape, name
        bits = torch.int16 if a[name].dtype == torch.bfloat16 else torch.int32
        assert torch.equal(a[name].view(bits), b[name].view(bits)), name
    return len(a)


def logits(folder, tokens):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return model(tokens).logits


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cadmus", type=pathlib.Path)
    cadmus = parser.parse_args().cadmus.resolve()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.manual_seed(1)

    def run(*arguments):
        done = subprocess.run([cadmus, *map(str, arguments)], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        (work / "text").mkdir()
        (work / "text" / "a.txt").write_text((PROMPT + ". ") * 50)
        run("data", "tokenizer", "train", work / "text", "--vocab-size", 270, "--out", work / "tokenizer.json")
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(work / "tokenizer.json"))
        end = tokenizer.convert_tokens_to_ids("<|endoftext|>")
        tokens = torch.tensor([tokenizer(PROMPT)["input_ids"]])
        for number, (title, config) in enumerate(configs().items()):
            for dtype, flag in ((torch.float32, "f32"), (torch.bfloat16, "bf16")):
                for shard in ("5GB", "20KB"):
                    at = work / f"{number}-{flag}-{shard}"
                    model = transformers.AutoModelForCausalLM.from_config(config).to(dtype).eval()
                    model.save_pretrained(at / "source", max_shard_size=shard)
                    (at / "source" / "tokenizer.json").write_text((work / "tokenizer.json").read_text())
                    run("ckpt", "import", at / "source", "--out", at / "run")
                    run("ckpt", "export", at / "run", "--out", at / "out", "--dtype", flag, "--max-shard-size", shard)
                    count = same_tensors(at / "source", at / "out")
                    first, second = logits(at / "source", tokens), logits(at / "out", tokens)
                    assert torch.equal(first, second), title
                    again = transformers.AutoTokenizer.from_pretrained(at / "out")
                    assert again(PROMPT)["input_ids"] == tokens[0].tolist(), title
            # In float32: the text that the model goes on with.
            wide = transformers.AutoModelForCausalLM.from_pretrained(work / f"{number}-f32-5GB" / "source").eval()
            with torch.no_grad():
                text = wide.generate(tokens, max_new_tokens=40, do_sample=False, eos_token_id=[], pad_token_id=0)
            new = text[0, tokens.shape[1]:].tolist()
            if end in new:
                new = new[:new.index(end)]
            ours = run("generate", work / f"{number}-f32-5GB" / "run", "--prompt", PROMPT, "--max-tokens", 40)
            # Random models write bytes that are no text.
            theirs = PROMPT + tokenizer.decode([i for i in new if i < len(tokenizer)]) + "\n"
            assert ours.decode(errors="replace") == theirs, (title, ours, theirs)
            print(f"{title}: {count} tensors bit-equal, logits equal, {len(new)} tokens equal", flush=True)


if __name__ == "__main__":
    main()
