# SPDX-License-Identifier: Apache-2.0
"""Writes tests/runtime/text/golden/: a small tokenizer.json trained and saved by the Hugging Face library,
and ids.txt, what that library encodes texts to. Needs `pip install tokenizers`; not run by the tests."""

import pathlib

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

FOLDER = pathlib.Path(__file__).parent.parent / "runtime" / "text" / "golden"
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = [
    "The brother of Europa brought the letters to the Greeks, and with the letters the art of keeping "
    "what was said. They're still here; we've kept them, we'll keep them, and it's no small thing.\n",
    "He sowed the teeth of the dragon, and from the furrows there rose armed men: 1, 2, 3, 100, 1000.\n\n"
    "They fought until five were left, and the five built the city with him.\n",
    "for (int i = 0; i < 10; ++i) {\n    sum += values[i];\n    printf(\"%d\\n\", sum);\n}\n",
    "Ο Κάδμος έφερε τα γράμματα. Кадм принёс буквы. カドモスは文字をもたらした。\n",
]
TEXTS = CORPUS + [
    "",
    " ",
    "the",
    "   the   letters\t\t\n \n  end   ",
    "THEY'RE, they'Ll, it'S; 'tis 'ſ",
    "1234567890 ٣٤٥ Ⅷ ½",
    "<|endoftext|> is plain text here",
    "e\u0301 \U0001f600\U0001f469\u200d\U0001f467 a\u180eb a\u0085b a\u00a0b a\u2003b \ufeff\x00\x01",
    "\r\n\r\n x\r\n",
    "the" * 50,
    "e" * 97,
]


def main():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=360, special_tokens=["<|endoftext|>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    FOLDER.mkdir(exist_ok=True)
    tokenizer.save(str(FOLDER / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    with open(FOLDER / "ids.txt", "w") as out:
        for text in TEXTS:  # the bytes of the text in hexadecimal, a colon, its ids
            ids = tokenizer.encode(text).ids
            print(text.encode().hex() + ":" + "".join(f" {i}" for i in ids), file=out)


if __name__ == "__main__":
    main()
