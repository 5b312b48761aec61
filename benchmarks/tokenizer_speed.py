# SPDX-License-Identifier: Apache-2.0
"""tokenizer_speed.py PROGRAM TOKENIZER_JSON TEXT RESULT_JSON [PAIRS]: encodes TEXT (UTF-8) with the program of
tokenizer_speed.cc and with Hugging Face's `tokenizers`, each in processes of its own that alternate, each on one core
(taskset) and one thread. The other side may choose the faster of encode and encode_batch_fast. Both must give the same
ids. Seconds are processor time, for others may use the machine meanwhile. Writes the MB/s of every process, medians,
spread and the ratio of the medians."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time

DOCUMENT_BYTES = 8192


def documents(text):
    """The same cuts as in tokenizer_speed.cc."""
    found = []
    while text:
        end = text.find(b"\n", min(len(text), DOCUMENT_BYTES))
        size = len(text) if end < 0 else end + 1
        found.append(text[:size].decode())
        text = text[size:]
    return found


def crc32c(data):
    import numpy

    table = numpy.arange(256, dtype=numpy.uint32)
    for _ in range(8):
        table = numpy.where(table & 1, table >> 1 ^ numpy.uint32(0x82F63B78), table >> 1)
    table = table.tolist()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def time_other(mode, tokenizer_json, text_path):
    import numpy
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(tokenizer_json)
    tokenizer.encode_special_tokens = True
    with open(text_path, "rb") as file:
        text = file.read()
    parts = documents(text)

    def encode():
        if mode == "encode":
            return [tokenizer.encode(part, add_special_tokens=False) for part in parts]
        return tokenizer.encode_batch_fast(parts, add_special_tokens=False)

    encode()
    start = time.process_time()
    encoded = encode()
    seconds = time.process_time() - start
    ids = [i for one in encoded for i in one.ids]
    crc = crc32c(numpy.array(ids, dtype=numpy.int32).tobytes())
    print(json.dumps({"bytes": len(text), "ids": len(ids), "crc32c": crc, "seconds": seconds}))


def run(command):
    environment = dict(os.environ, RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")
    core = max(os.sched_getaffinity(0))
    result = subprocess.run(["taskset", "-c", str(core), *command], env=environment, check=True, capture_output=True)
    return json.loads(result.stdout)


def summary(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "all": values}


def main():
    program, tokenizer_json, text_path, result_path = sys.argv[1:5]
    pairs = int(sys.argv[5]) if len(sys.argv) > 5 else 7
    commands = {"cadmus": [program, tokenizer_json, text_path]}
    for mode in ("encode", "encode_batch_fast"):
        commands[f"tokenizers {mode}"] = [sys.executable, __file__, "--other", mode, tokenizer_json, text_path]
    speeds = {name: [] for name in commands}
    checks = set()
    for _ in range(pairs):
        for name, command in commands.items():
            found = run(command)
            speeds[name].append(round(found["bytes"] / 1e6 / found["seconds"], 3))
            checks.add((found["ids"], found["crc32c"]))
    if len(checks) != 1:
        sys.exit(f"the ids differ: {checks}")
    import tokenizers

    medians = {name: statistics.median(values) for name, values in speeds.items()}
    other = max(median for name, median in medians.items() if name != "cadmus")
    result = {
        "what": "MB of UTF-8 text encoded per second of processor time, one thread, documents of about 8 KiB",
        "tokenizer": os.path.basename(os.path.dirname(os.path.abspath(tokenizer_json))),
        "text_bytes": os.path.getsize(text_path),
        "ids": checks.pop()[0],
        "pairs": pairs,
        "speeds": {name: summary(values) for name, values in speeds.items()},
        "ratio_of_medians": round(medians["cadmus"] / other, 2),
        "bar": 2.0,
        "versions": {"tokenizers": tokenizers.__version__, "python": platform.python_version()},
        "machine": platform.machine(),
    }
    with open(result_path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    print(json.dumps({**medians, "ratio": result["ratio_of_medians"]}))


if __name__ == "__main__":
    if sys.argv[1] == "--other":
        time_other(*sys.argv[2:5])
    else:
        main()
