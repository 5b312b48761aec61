// SPDX-License-Identifier: Apache-2.0
#include "runtime/data/open_token_data.h"

#include <glob.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> FilesOfFolder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (auto it = fs::directory_iterator(folder, error); !error && it != fs::end(it);
       it.increment(error)) {
    if (it->path().extension() == ".bin") files.push_back(it->path());
  }
  if (error) {
    throw Error(Kind::kData, StrCat("cannot list ", folder.string(), ": ", error.message(),
                                    "; check the permissions"));
  }
  std::ranges::sort(files);
  const auto is_validation = [](const fs::path& file) {
    return file.filename().string().find("_val_") != std::string::npos;
  };
  const auto num_validation = std::ranges::count_if(files, is_validation);
  if (num_validation > 0 && num_validation < std::ssize(files)) {
    throw Error(Kind::kData, StrCat(folder.string(),
                                    ": holds files for validation (_val_) among "
                                    "others; name those to read by a pattern, "
                                    "as in ",
                                    (folder / "*_train_*.bin").string()));
  }
  return files;
}

std::vector<fs::path> FilesOfPattern(const std::string& pattern) {
  ::glob_t found{};
  const int code = ::glob(pattern.c_str(), 0, nullptr, &found);  // sorts
  std::vector<fs::path> files;
  if (code == 0) files.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return files;
}

}  // namespace

OpenedData OpenTokenData(const std::string& path) {
  const auto shards = [&](const std::vector<fs::path>& files) {
    return OpenedData{.shards = std::make_shared<TokenShards>(path, files)};
  };
  std::error_code ignored;
  if (!fs::exists(path + ".idx", ignored)) {
    if (fs::is_directory(path, ignored)) return shards(FilesOfFolder(path));
    if (path.find_first_of("*?[") != std::string::npos) return shards(FilesOfPattern(path));
    if (path.ends_with(".bin")) {
      const std::string prefix = path.substr(0, path.size() - 4);
      if (fs::exists(prefix + ".idx", ignored)) {
        throw Error(Kind::kData,
                    StrCat(path, ": belongs to the data set ", prefix, "; name it by this prefix"));
      }
      return shards({path});
    }
  }
  return {.indexed = std::make_shared<IndexedDataset>(path)};
}

}  // namespace cadmus
