// SPDX-License-Identifier: Apache-2.0
// The gate: every layout computes the training step of one rank. Prints "N layouts", and what is
// wrong with each that fails.
//
//   layouts_agree                     the list of CI: every (dp, tp, pp, zero, schedule) on at most
//                                     8 ranks, a pairwise covering of all other options,
//                                     samples of it with other families, and schedules from files
//   layouts_agree --soak [PART/PARTS] their product: see tests/soak.sh
//   … --only TEXT                     only layouts whose names contain TEXT
//   … --list                          names them and runs none
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string_view>
#include <thread>

#include "tests/launch/run/layouts/family_cases.h"
#include "tests/launch/run/layouts/layout_gate.h"
#include "tests/launch/run/layouts/pairwise_cases.h"
#include "tests/launch/run/layouts/schedule_file_cases.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {
namespace {

struct Flags {
  bool soak = false;
  int part = 0, num_parts = 1;
  bool list = false;
  std::string only;
};

[[noreturn]] void Usage() {
  std::cerr << "usage: layouts_agree [--soak [PART/PARTS]] [--only TEXT] [--list]\n";
  std::exit(2);
}

Flags ParseFlags(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    if (flag == "--soak") {
      flags.soak = true;
      if (i + 1 < argc && std::strchr(argv[i + 1], '/') != nullptr) {
        if (std::sscanf(argv[++i], "%d/%d", &flags.part, &flags.num_parts) != 2) Usage();
        --flags.part;
        if (flags.part < 0 || flags.part >= flags.num_parts) Usage();
      }
    } else if (flag == "--only" && i + 1 < argc) {
      flags.only = argv[++i];
    } else if (flag == "--list") {
      flags.list = true;
    } else {
      Usage();
    }
  }
  return flags;
}

std::vector<LayoutCase> CasesFor(const Flags& flags, const std::filesystem::path& folder) {
  std::vector<LayoutCase> cases;
  const auto add = [&](const LayoutCase& layout) {
    if (layout.Name().find(flags.only) != std::string::npos) cases.push_back(layout);
  };
  if (flags.soak) {
    VisitSoakCases(flags.part, flags.num_parts, add);
    return cases;
  }
  std::vector<LayoutCase> all = CoreCases();
  std::ranges::move(PairwiseCases(), std::back_inserter(all));
  std::ranges::move(FamilyCases(), std::back_inserter(all));
  std::ranges::move(ScheduleFileCases(folder), std::back_inserter(all));
  // A sanitizer build takes a sample: each of its runs takes many times as long.
  const size_t stride = std::string_view(CADMUS_SANITIZERS).empty() ? 1 : all.size() / 24;
  for (size_t i = 0; i < all.size(); i += stride) add(all[i]);
  return cases;
}

// As many layouts at a time as there are cores: a layout's ranks wait for each other most of the
// time.
int RunAll(const std::vector<LayoutCase>& cases) {
  LayoutGate gate;
  int failed = 0;
  gate.VisitFaults(cases, std::thread::hardware_concurrency(), [&](const std::string& fault) {
    ++failed;
    std::cout << "FAILED " << fault << std::endl;
  });
  return failed;
}

int Main(int argc, char** argv) {
  const Flags flags = ParseFlags(argc, argv);
  const TemporaryFolder folder;  // of the schedule files
  const std::vector<LayoutCase> cases = CasesFor(flags, folder.path());
  if (flags.list) {
    for (const LayoutCase& layout : cases) std::cout << layout.Name() << '\n';
  }
  const auto start = std::chrono::steady_clock::now();
  const int failed = flags.list ? 0 : RunAll(cases);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::cout << cases.size() << " layouts" << std::endl;
  std::cout << failed << " disagree with one rank; " << seconds.count() << " s" << std::endl;
  return failed == 0 && !cases.empty() ? 0 : 1;
}

}  // namespace
}  // namespace cadmus

int main(int argc, char** argv) {
  try {
    return cadmus::Main(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
