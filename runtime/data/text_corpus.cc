// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/text_corpus.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "kernels/base/error.h"

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

TextCorpus::TextCorpus(std::vector<fs::path> roots) : roots_(std::move(roots)) {
  for (const fs::path& root : roots_) {
    std::error_code error;
    if (!fs::exists(root, error)) {
      throw Error(Kind::kData, StrCat(root.string(),
                                      ": no such file or folder; give a folder of "
                                      "text files"));
    }
    const std::vector<fs::path> files =
        fs::is_directory(root) ? WalkFolder(root) : std::vector{root};
    if (files.empty()) {
      throw Error(Kind::kData,
                  StrCat(root.string(), ": no file inside; give a folder of text files"));
    }
    for (const fs::path& file : files) {
      const auto size = fs::file_size(file, error);
      if (!error) file_bytes_ += static_cast<int64_t>(size);
    }
    files_.insert(files_.end(), files.begin(), files.end());
  }
}

std::string TextCorpus::name() const {
  std::string name;
  for (const fs::path& root : roots_) name += StrCat(name.empty() ? "" : ", ", root.string());
  return name;
}

bool HoldsJsonLines(const fs::path& file) {
  const std::string extension = (file.extension() == ".gz" ? file.stem() : file).extension();
  return extension == ".jsonl" || extension == ".ndjson";
}

}  // namespace cadmus
