#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# readme_test.sh CADMUS: runs the commands of README.md that are marked <!-- tested --> with the binary CADMUS, in a
# temporary copy of what they need and on a few steps; checks "Follow one step" and the links of every README.
set -euo pipefail
cadmus=$(realpath "${1:?usage: tests/readme_test.sh CADMUS}")
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repository"

failures=0
fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

# links FILE: the targets of its markdown links, one a line, without anchors; the web is left out.
links() {
  grep -oE '\]\([^) ]+\)' "$1" | sed -E 's/^\]\(//; s/\)$//; s/#.*//' | grep -vE '^$|^[a-z]+:' || true
}

# Every relative link of every README leads to a file or folder.
num_links=0
while IFS= read -r readme; do
  while IFS= read -r target; do
    num_links=$((num_links + 1))
    [[ -e $(dirname "$readme")/$target ]] || fail "$readme links to $target, which does not exist"
  done < <(links "$readme")
done < <(find . \( -name '.?*' -o -path './build*' -o -path ./runs \) -prune -o -name '*.md' -print)
((num_links > 0)) || fail "no README has a link"

# "Follow one step" is a numbered list of links from main.cc to the CPU's gemm, with at most 12 hops between them.
mapfile -t path < <(awk '/^## / { in_section = /^## Follow one step$/ } in_section && /^[0-9]+\. /' README.md |
  sed -E 's/^[^(]*\(([^)]*)\).*/\1/')
[[ ${path[0]-} == launch/main.cc ]] || fail "'Follow one step' starts at '${path[0]-}'"
[[ ${path[-1]-} == kernels/cpu/gemm.cc ]] || fail "'Follow one step' ends at '${path[-1]-}'"
((${#path[@]} <= 13)) || fail "'Follow one step' takes $((${#path[@]} - 1)) hops"

# The marked commands, in the order of the page, in a folder that looks like the repository's root after a build. The
# binary there takes the words of the page and makes the run a short one.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/build" "$work/my-text"
ln -s "$repository/launch" "$work/launch"
cp -r kernels runtime "$work/my-text"
cat > "$work/build/cadmus" << END
#!/usr/bin/env bash
[[ \$1 != train ]] || set -- "\$@" --set model.llama.hidden_size=32 --set model.llama.intermediate_size=48 \\
  --set model.llama.num_attention_heads=2 --set model.llama.num_key_value_heads=1 --set model.llama.head_dim=16 \\
  --set model.llama.num_hidden_layers=2 --set data.sequence_length=32 --set train.steps=4 \\
  --set train.global_batch_size=4 --set train.micro_batch_size=1 --set optimizer.warmup_steps=1 \\
  --set checkpoint.interval_steps=2 --set device.memory_gib=0.5 --set device.threads=1
exec '$cadmus' "\$@"
END
chmod +x "$work/build/cadmus"

awk '/^<!-- tested -->$/ { marked = 1; next }
     /^```sh$/ && marked { inside = 1; next }
     /^```$/ { inside = marked = 0 }
     inside' README.md > "$work/commands.sh"
grep -q 'cadmus train' "$work/commands.sh" || fail "README.md has no tested training command"

# As tests/support/mpirun.sh, through the environment, so that the commands stay as they are written.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
  OMPI_MCA_btl=self,vader OMPI_MCA_pml=ob1 OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
(cd "$work" && bash -eu -o pipefail -x commands.sh) || fail "the commands of README.md end with code $?"

# What the page says that a run leaves behind.
while IFS= read -r place; do
  place=${place/step-00000100/step-00000004}
  [[ -e $work/$place ]] || fail "README.md speaks of $place, which the run did not write"
done < <(grep -oE '^\| `runs/my-run/[^`]*`' README.md | tr -d '|` ')

((failures == 0))
