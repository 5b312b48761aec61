// SPDX-License-Identifier: Apache-2.0
#include "launch/run/run_folder.h"

#include "kernels/base/error.h"

namespace cadmus {

std::filesystem::path RunFolder::log(int rank) const {
  std::string number = std::to_string(rank);
  number.insert(0, number.size() < 6 ? 6 - number.size() : 0, '0');
  return root_ / "logs" / ("rank-" + number + ".log");
}

void RunFolder::Create() const {
  for (const auto& folder : {root_ / "logs", checkpoints()}) {
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code) {
      throw Error(Kind::kConfig, StrCat("cannot create ", folder.string(), ": ", code.message(),
                                        "; choose another output_dir or name"));
    }
  }
}

}  // namespace cadmus
