# SPDX-License-Identifier: Apache-2.0
"""tokenizers_compare.py CADMUS TEXT... -- [NAME=]FILE...: encodes one mixed text with Cadmus and with the library that each
tokenizer file comes from, and compares all ids; then decodes and, where nothing is normalised, compares all bytes.

CADMUS is build/cadmus. TEXTs are files or folders of UTF-8 text (code, prose, any language); the mixed text is their parts in
random order (seeded), with emoji, rare and combining characters, odd white space, names of special tokens and invalid
UTF-8 between them. FILEs: a tokenizer.json (`tokenizers`), tiktoken ranks with a NAME of PATTERNS (`tiktoken`; and once
more as a tokenizer.json made of the ranks, against `tokenizers`), or a SentencePiece model (`sentencepiece`).
Bytes that are not UTF-8: the libraries take none, so each valid run is encoded by itself and each other byte is its token;
SentencePiece gets text without them. Needs `pip install tokenizers tiktoken sentencepiece`; downloads nothing; not run by the tests."""

import base64
import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unicodedata

GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
        r"\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
# By the name of the encoding: its pattern as its authors write it, and whether text is put into NFC first.
PATTERNS = {
    "gpt2": (r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s", False),
    "cl100k_base": (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|"
                    r"\s++$|\s*[\r\n]|\s+(?!\S)|\s", False),
    "o200k_base": (O200K, False),
    "llama3": (GPT4, False),
    "llama4": (O200K, False),
    "qwen": (GPT4.replace("{1,3}", ""), True),
}
ODD = ["\U0001f600", "\U0001f469\u200d\U0001f467", "e\u0301", "\u1e0b\u0323", "\uac00\u11a8", "\u1112\u1161\u11ab", "\u0344", "½", "Ⅷ",
       "٣٤٥", "\u00a0", "\u3000", "\u2003 ", "\u0085", "\ufeff", "\x00", "\x7f", "\t\t", "\r\n", "  \n \n", "'ſ", "'LL", "ǅ", "ß", "İ",
       "<|endoftext|>", "<|begin_of_text|>", "</s>", "<｜end▁of▁sentence｜>", "a" * 70, "=" * 130, " " * 90, "1234567890", "日本語",
       "\U0002070e", "नमस्ते", "ไทย", "עברית", "Κάδμος", "ὁ ἄνθρωπος", "hyvää päivää", "\u180e"]
INVALID = [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\x80\x80", b"\xc0\xaf"]


def mixed_text(paths):
    """Equal shares of every path, cut into parts of about 100 characters, and what ODD and INVALID hold between them."""
    chance = random.Random(1)
    parts = []
    for path in paths:
        files = sorted(p for p in pathlib.Path(path).rglob("*") if p.is_file()) if pathlib.Path(path).is_dir() else [path]
        text = "".join(pathlib.Path(file).read_text(errors="ignore") for file in files)[:600_000]
        while text:
            size = chance.randint(1, 300)
            parts.append(text[:size].encode())
            text = text[size:]
    chance.shuffle(parts)
    text = []
    for part in parts:
        text.append(part)
        if chance.random() < 0.15:
            text.append(chance.choice([" ", "", "\n"]).encode() + chance.choice(ODD).encode())
        if chance.random() < 0.02:
            text.append(chance.choice(INVALID))
    return b"".join(text)


def runs(data):
    """Valid text as str, bytes outside it as int."""
    while data:
        try:
            yield data.decode()
            return
        except UnicodeDecodeError as error:
            if error.start:
                yield data[:error.start].decode()
            yield data[error.start]
            data = data[error.start + 1:]


def read_ranks(path):
    return {base64.b64decode(token): int(rank)
            for token, rank in (line.split() for line in pathlib.Path(path).read_bytes().splitlines())}


def byte_alphabet():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {**{b: chr(b) for b in plain}, **{b: chr(256 + i) for i, b in enumerate(others)}}


def ranks_as_json(ranks, pattern, nfc):
    """A tokenizer.json with all ways to make each token of two others as merges, as converters for Hugging Face make it."""
    spell = byte_alphabet()
    spelled = {token: "".join(spell[b] for b in token) for token in ranks}
    merges = []
    for token, rank in ranks.items():
        cuts = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        merges += [[spelled[a], spelled[b]] for a, b in sorted(cuts, key=lambda cut: (ranks[cut[0]], ranks[cut[1]]))]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": len(ranks), "content": "<|endoftext|>", "single_word": False, "lstrip": False,
                          "rstrip": False, "normalized": False, "special": True}],
        "normalizer": {"type": "NFC"} if nfc else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}, level]},
        "post_processor": level, "decoder": level,
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": True,
                  "vocab": {spelled[token]: rank for token, rank in ranks.items()}, "merges": merges},
    }


def hugging_face(path):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    alphabet = byte_alphabet()
    return lambda run: ([tokenizer.token_to_id(alphabet[run])] if isinstance(run, int)
                        else tokenizer.encode(run, add_special_tokens=False).ids)


def tiktoken(name, ranks):
    from tiktoken import Encoding

    pattern, nfc = PATTERNS[name]
    encoding = Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda run: ([ranks[bytes([run])]] if isinstance(run, int)
                        else encoding.encode_ordinary(unicodedata.normalize("NFC", run) if nfc else run))


def sentencepiece(path):
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor(model_file=str(path))
    return processor.encode


def compare(cadmus, path, data, encode, label, round_trip):
    expected = [i for run in runs(data) for i in encode(run)]
    command = [cadmus, "data", "tokenizer"]
    output = subprocess.run([*command, "encode", path], input=data, capture_output=True, check=True).stdout
    ids = [int(i) for i in output.split()]
    same = ids == expected
    back = ""
    if round_trip:
        decoded = subprocess.run([*command, "decode", path], input=output, capture_output=True, check=True).stdout
        same = same and decoded == data
        back = ", decodes to the same bytes" if decoded == data else ", DECODES TO OTHER BYTES"
    print(f"{label}: {len(data)} bytes, {len(expected)} ids, {'equal' if ids == expected else 'DIFFERENT'}{back}", flush=True)
    if ids != expected:
        at = next((i for i, (a, b) in enumerate(zip(ids, expected)) if a != b), min(len(ids), len(expected)))
        print(f"  first at {at}: {ids[at:at + 8]}, not {expected[at:at + 8]}")
    return same


def main():
    cadmus, *arguments = sys.argv[1:]
    split = arguments.index("--")
    data = mixed_text(arguments[:split])
    valid = re.sub("[\ufffe\uffff]", "", data.decode(errors="ignore")).encode()
    same = True
    for file in arguments[split + 1:]:
        name, _, path = file.rpartition("=")
        start = pathlib.Path(path).read_bytes()[:3]
        if name:
            ranks = read_ranks(path)
            pattern, nfc = PATTERNS[name]
            same &= compare(cadmus, path, data, tiktoken(name, ranks), f"{name} (tiktoken)", not nfc)
            with tempfile.TemporaryDirectory() as folder:
                converted = str(pathlib.Path(folder) / "tokenizer.json")
                plain = {"gpt2": None, "cl100k_base": GPT4}.get(name, pattern)
                config = ranks_as_json(ranks, plain, nfc)
                if plain is None:  # GPT-2's own pattern is ByteLevel's
                    config["pre_tokenizer"] = {**config["decoder"], "use_regex": True}
                pathlib.Path(converted).write_text(json.dumps(config))
                same &= compare(cadmus, converted, data, hugging_face(converted), f"{name} (tokenizers)", not nfc)
        elif start.lstrip().startswith(b"{"):
            same &= compare(cadmus, path, data, hugging_face(path), f"{path} (tokenizers)", True)
        else:
            same &= compare(cadmus, path, valid, sentencepiece(path), f"{path} (sentencepiece)", False)
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
