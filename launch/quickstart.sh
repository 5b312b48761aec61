#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# quickstart.sh [--text DIR] [--out DIR]: from a fresh Debian or Ubuntu to a language model trained on real text, in one
# command: installs what is missing, builds, trains on two ranks, on GPUs where there are any, stops and resumes the run, and
# generates text.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  echo "usage: launch/quickstart.sh [--text DIR] [--out DIR]
  --text DIR  a folder of text to train on (default: the prose of the Linux kernel's documentation)
  --out DIR   where everything is written (default: runs/quickstart in the repository)" >&2
  exit 2
}

text='' out=$repository/runs/quickstart
while (($# > 0)); do
  case $1 in
    --text) text=${2-}; [[ -n $text ]] || usage; shift 2 ;;
    --out) out=${2-}; [[ -n $out ]] || usage; shift 2 ;;
    *) usage ;;
  esac
done
if [[ -n $text && ! -d $text ]]; then
  echo "quickstart: --text $text is not a folder" >&2
  exit 2
fi
out=$(realpath -m "$out")
[[ -z $text ]] || text=$(realpath "$text")
if compgen -G "$out/checkpoints/step-*" > /dev/null; then
  echo "quickstart: $out holds a run already: remove it, or give another folder with --out" >&2
  exit 2
fi
cd "$repository"

step() { printf '\n== %s (%d s since the start)\n' "$*" "$SECONDS"; }

step "1/7 packages"
if [[ -n $text ]]; then bash launch/install_packages.sh; else bash launch/install_packages.sh text; fi

num_gpus=$(bash launch/usable_gpus.sh)
preset=cpu-release
if ((num_gpus > 0)); then preset=cuda-release; fi

step "2/7 build ($preset)"
cmake --preset "$preset" -DCADMUS_TESTS=OFF
cmake --build --preset "$preset" -j "$(nproc)" --target cadmus
cadmus=$repository/build/cadmus
data=$out/data
mkdir -p "$data"

if [[ -z $text ]]; then
  step "3/7 text: English prose from linux-doc-6.1"
  documentation=/usr/share/doc/linux-doc-6.1/Documentation
  if [[ ! -d $documentation ]]; then
    echo "quickstart: no $documentation (does dpkg leave out /usr/share/doc here?); give a folder with --text" >&2
    exit 1
  fi
  text=$data/text
  mkdir -p "$text"
  (cd "$documentation" && find admin-guide process core-api filesystems RCU trace -type f \
    -regex '.*\.\(rst\|txt\)\(\.gz\)?' -exec cp --parents -t "$text" {} +)
  find "$text" -name '*.gz' -exec gzip -df {} +
else
  step "3/7 text: $text"
fi
echo "$(find "$text" -type f | wc -l) files, $(find "$text" -type f -exec cat {} + | wc -c) bytes"

step "4/7 tokenizer and data"
"$cadmus" data tokenizer train "$text" --vocab-size 2048 --out "$data/tokenizer.json"
"$cadmus" data build "$text" --tokenizer "$data/tokenizer.json" --out "$data/tokens"

# Two ranks on one machine: as root or not, with or without a core for each, in a container or not.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
train=("$cadmus" train launch/recipes/llama-quickstart.textproto
  --set "name=$(basename "$out")" --set "output_dir=$(dirname "$out")"
  --set "data.path=$data/tokens" --set "data.tokenizer=$data/tokenizer.json")
if ((num_gpus > 0)); then train+=(--set device.kind=CUDA); fi
if ((num_gpus == 1)); then
  train+=(--ranks-as-threads 2) where="one GPU, which two ranks share"
else
  train=(mpirun --quiet -np 2 --oversubscribe --bind-to none "${train[@]}") where="two ranks"
  if ((num_gpus > 1)); then where="two ranks, a GPU each"; fi
fi

step "5/7 train on $where, and stop after the first checkpoint"
"${train[@]}" &
training_pid=$!
trap 'kill -TERM "$training_pid" 2> /dev/null || true' EXIT
while kill -0 "$training_pid" 2> /dev/null && [[ -z $(find "$out/checkpoints" -name 'step-*' 2> /dev/null) ]]; do
  sleep 0.2
done
kill -USR1 "$training_pid" 2> /dev/null || true
status=0
wait "$training_pid" || status=$?
trap - EXIT
if ((status != 75)); then
  echo "quickstart: expected the run to stop with exit code 75 (preempted and resumable), but it ended with $status" >&2
  exit 1
fi

step "6/7 resume from the checkpoint: the same command again"
"${train[@]}"

step "7/7 generate"
generated=$("$cadmus" generate "$out" --prompt "The kernel" --max-tokens 200 --temperature 0.4 --top-p 0.8 --seed 1)
echo "$generated"

# Lower-case words, one a line.
words() { LC_ALL=C tr -cs 'A-Za-z' '\n' | LC_ALL=C tr 'A-Z' 'a-z' | sed '/^$/d'; }
find "$text" -type f -exec zcat -f {} + | words | sort -u > "$data/words"
echo "$(words <<< "$generated" | grep -cxFf "$data/words") of the $(words <<< "$generated" | wc -l) words occur in the text"

step "done"
cat << END
Everything was written to $out:
  data/                the text (unless it was given), the tokenizer trained on it, the text as tokens
  config.textproto     the settings of the run
  metrics.jsonl        loss, gradient norm, learning rate and speed of each step
  logs/ checkpoints/   what each rank said; the model after every so many steps
Generate more:  $cadmus generate $out --prompt "Memory is" --max-tokens 120 --seed 2
END
