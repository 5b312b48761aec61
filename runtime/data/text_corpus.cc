// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/text_corpus.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "kernels/base/error.h"
#include "runtime/data/text_file.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

bool IsHidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<fs::path> WalkFolder(const fs::path& root) {
  std::vector<fs::path> files;
  try {
    for (auto it = fs::recursive_directory_iterator(root); it != fs::end(it); ++it) {
      if (IsHidden(it->path())) {
        it.disable_recursion_pending();
      } else if (it->is_regular_file()) {
        files.push_back(it->path());
      }
    }
  } catch (const fs::filesystem_error& error) {
    throw Error(Kind::kData, StrCat("cannot walk ", root.string(), ": ", error.what(),
                                    "; check the permissions"));
  }
  // The order in which a file system lists a folder is its own.
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TextCorpus::TextCorpus(fs::path root) : root_(std::move(root)) {
  std::error_code ignored;
  if (!fs::exists(root_, ignored)) {
    throw Error(Kind::kData, StrCat(root_.string(),
                                    ": no such file or folder; give a folder of "
                                    "text files"));
  }
  files_ = fs::is_directory(root_) ? WalkFolder(root_) : std::vector{root_};
  if (files_.empty()) {
    throw Error(Kind::kData,
                StrCat(root_.string(), ": no file inside; give a folder of text files"));
  }
}

std::optional<std::string> CorpusReader::Next() {
  std::string text;
  while (next_file_ < corpus_.files().size()) {
    if (!ReadTextFile(corpus_.files()[next_file_++], text)) {
      ++counts_.skipped_binary;
    } else if (text.empty()) {
      ++counts_.skipped_empty;
    } else {
      ++counts_.num_documents;
      counts_.text_bytes += static_cast<int64_t>(text.size());
      return text;
    }
  }
  if (counts_.num_documents == 0) {
    throw Error(Kind::kData, StrCat(corpus_.root().string(), ": no text, ", counts_.skipped_binary,
                                    " binary and ", counts_.skipped_empty,
                                    " empty files; give a folder of text files"));
  }
  return std::nullopt;
}

}  // namespace cadmus
