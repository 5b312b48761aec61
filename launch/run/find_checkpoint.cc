// SPDX-License-Identifier: Apache-2.0
#include "launch/run/find_checkpoint.h"

#include "kernels/base/error.h"
#include "launch/run/run_folder.h"
#include "runtime/checkpoint/load_checkpoint.h"
#include "runtime/text/load_tokenizer.h"

namespace cadmus {

FoundCheckpoint FindCheckpoint(const std::filesystem::path& path) {
  const RunFolder run(path);
  if (std::filesystem::is_directory(run.checkpoints())) {
    const auto latest = FindLatestCheckpoint(run.checkpoints());
    if (!latest) {
      throw Error(Kind::kCheckpoint,
                  StrCat(run.checkpoints().string(), " holds no complete checkpoint; train first"));
    }
    return {*latest, run.tokenizer()};
  }
  if (!std::filesystem::is_directory(path)) {
    throw Error(
        Kind::kCheckpoint,
        StrCat(path.string(), " is not a folder; give the folder of a run or of a checkpoint"));
  }
  // With a slash at its end, so that the folder itself is what lies before it however it is
  // written.
  const auto checkpoint = (std::filesystem::absolute(path) / "").lexically_normal().parent_path();
  return {path, RunFolder(checkpoint.parent_path().parent_path()).tokenizer()};
}

std::unique_ptr<const Tokenizer> LoadTokenizerOf(const FoundCheckpoint& found,
                                                 const std::string& trained_hash) {
  if (!std::filesystem::exists(found.tokenizer)) return nullptr;
  std::unique_ptr<const Tokenizer> tokenizer = LoadTokenizer(found.tokenizer);
  if (tokenizer->content_hash() != trained_hash) {
    throw Error(Kind::kData, StrCat(found.tokenizer.string(), " is not the tokenizer that ",
                                    found.checkpoint.string(), " was trained with; restore it"));
  }
  return tokenizer;
}

}  // namespace cadmus
