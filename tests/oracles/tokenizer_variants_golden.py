# SPDX-License-Identifier: Apache-2.0
"""Writes folders into tests/runtime/text/golden/: tokenizers built as real models have theirs (qwen, llama3, deepseek: variants
of golden/tokenizer.json; sentencepiece: two small models) and ids.txt, what the libraries encode texts to. Each line: how
(plain, parse_added_tokens, add_special_tokens), the text's bytes in hexadecimal, its ids. Needs `pip install tokenizers
sentencepiece`; not run by the tests."""

import copy
import io
import json

import sentencepiece
from tokenizers import Tokenizer
from tokenizers_golden import CORPUS, FOLDER, TEXTS

ADDED = ["a<|im_start|>b <|im_end|> c", "x <pad> y<pad>\n\nz", "word wordy sword word, word", "  lead  trail  .", "\t<pad>",
         "n\u0303<pad>n\u0303 \u1e0b\u0323 \uac00\u11a8", "caf\u00e9 cafe\u0301 cafe\u0301s", "<|im_start|><|im_start|>   <|im_end|>"]
SPLIT = {"type": "Split", "behavior": "Isolated", "invert": False}
LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
DIGIT_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
                 r"\s+(?!\S)|\s+")


def added(number, content, special, **flags):
    return {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": special, **flags}


def qwen(config):
    """NFC, digits one by one, added tokens of every kind."""
    size = len(config["model"]["vocab"])
    config["normalizer"] = {"type": "NFC"}
    config["pre_tokenizer"]["pretokenizers"] = [{**SPLIT, "pattern": {"Regex": DIGIT_PATTERN}}, LEVEL]
    config["added_tokens"] += [
        added(size, "<|im_start|>", True), added(size + 1, "<|im_end|>", True, lstrip=True),
        added(size + 2, "<pad>", False, rstrip=True), added(size + 3, "word", False, single_word=True),
        added(size + 4, "cafe\u0301", False, normalized=True), added(size + 5, "  ", False)]


def llama3(config):
    """Whole tokens before merges, some of which no merge makes; a template."""
    del config["model"]["merges"][-30:-10]
    config["model"]["merges"] = [" ".join(m) if isinstance(m, list) else m for m in config["model"]["merges"]]
    config["model"]["ignore_merges"] = True
    size = len(config["model"]["vocab"])
    config["added_tokens"] += [added(size, "<|begin_of_text|>", True), added(size + 1, "<|eot_id|>", True)]
    names = {"<|begin_of_text|>": size, "<|eot_id|>": size + 1}
    single = [{"SpecialToken": {"id": "<|begin_of_text|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
              {"SpecialToken": {"id": "<|eot_id|>", "type_id": 0}}]
    template = {"type": "TemplateProcessing", "single": single,
                "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {name: {"id": name, "ids": [number], "tokens": [name]} for name, number in names.items()}}
    config["post_processor"] = {"type": "Sequence", "processors": [LEVEL, template]}


def deepseek(config):
    """Several patterns after one another, and digits by a step of their own."""
    config["normalizer"] = {"type": "Sequence", "normalizers": []}
    patterns = ["[一-龥぀-ゟ゠-ヿ]+",
                "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
                " ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
    config["pre_tokenizer"]["pretokenizers"] = [{"type": "Digits", "individual_digits": False}] + [
        {**SPLIT, "pattern": {"Regex": pattern}} for pattern in patterns] + [{**LEVEL, "use_regex": True}]


def write(folder, lines):
    with open(folder / "ids.txt", "w") as out:
        for how, text, ids in lines:
            print(how, text.encode().hex() or "-", *ids, file=out)


def variant(change):
    folder = FOLDER / change.__name__
    folder.mkdir(exist_ok=True)
    config = json.loads((FOLDER / "tokenizer.json").read_text())
    change(config)
    (folder / "tokenizer.json").write_text(json.dumps(config, ensure_ascii=False, separators=(",", ":")) + "\n")
    trusted = Tokenizer.from_str(json.dumps(config))
    # Plain text gives no added token, special or not, but for those of white space.
    plain_config = copy.deepcopy(config)
    for token in plain_config["added_tokens"]:
        token["special"] = bool(token["content"].strip())
    plain = Tokenizer.from_str(json.dumps(plain_config))
    plain.encode_special_tokens = True
    lines = []
    for text in TEXTS + ADDED:
        lines.append(("plain", text, plain.encode(text, add_special_tokens=False).ids))
        lines.append(("parse_added_tokens", text, trusted.encode(text, add_special_tokens=False).ids))
        lines.append(("add_special_tokens", text, plain.encode(text, add_special_tokens=True).ids))
    write(folder, lines)


def sentencepiece_models():
    folder = FOLDER / "sentencepiece"
    folder.mkdir(exist_ok=True)
    texts = TEXTS + ["<s>a</s>", "½ ﬁ Å", "\u3000x  y "]
    for kind, options in (("bpe", {"byte_fallback": True, "vocab_size": 420}), ("unigram", {"vocab_size": 120})):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(line for text in CORPUS for line in text.splitlines() if line), model_writer=model,
            model_type=kind, normalization_rule_name="identity", hard_vocab_limit=False, minloglevel=2, **options)
        (folder / kind).mkdir(exist_ok=True)
        (folder / kind / "tokenizer.model").write_bytes(model.getvalue())
        processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        write(folder / kind, [(how, text, begin + processor.encode(text)) for text in texts
                              for how, begin in (("plain", []), ("add_special_tokens", [processor.bos_id()]))])


if __name__ == "__main__":
    for change in (qwen, llama3, deepseek):
        variant(change)
    sentencepiece_models()
