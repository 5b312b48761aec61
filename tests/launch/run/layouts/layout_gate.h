// SPDX-License-Identifier: Apache-2.0
// LayoutGate: runs layouts against one rank (P1) and against each other (P4).
//
//   LayoutGate gate;
//   if (auto fault = gate.FirstFault(layout)) …   // "LAYOUT: step 1: gradient of … is …"
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tests/launch/run/layouts/agreement.h"
#include "tests/launch/run/layouts/cases.h"
#include "tests/launch/run/layouts/train_layout.h"
#include "tests/support/temporary_folder.h"

namespace cadmus {

class LayoutGate {
 public:
  // `run` is what all runs have in common; streams and bug come with a layout.
  explicit LayoutGate(LayoutRun run = {});

  const std::shared_ptr<const IndexedDataset>& data() const { return data_; }
  // What one rank computes for the samples and model of `config`; run once each. Thread-safe.
  const std::vector<GlobalStep>& OneRank(const RunConfig& config);

  // What is wrong with a layout, or with the run itself: layout, step, number, tensor. Nothing
  // where it agrees with one rank, and bit for bit with the layouts seen before that differ in
  // flags only. Thread-safe.
  std::optional<std::string> FirstFault(const LayoutCase& layout, PlantedBug* bug = nullptr);

  // Calls `visit` with the fault of each layout that has one, `at_a_time` layouts running together;
  // one call at a time.
  void VisitFaults(std::span<const LayoutCase> layouts, unsigned at_a_time,
                   const std::function<void(const std::string&)>& visit);

 private:
  struct OneRankRun {
    std::once_flag once;
    std::vector<GlobalStep> steps;
  };
  struct Bits {
    std::string layout;
    std::vector<Fingerprint> fingerprints;
  };

  std::optional<std::string> FirstOtherBit(const LayoutCase& layout,
                                           std::vector<Fingerprint> fingerprints);

  const LayoutRun run_;
  TemporaryFolder folder_;
  std::shared_ptr<const IndexedDataset> data_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<OneRankRun>> one_rank_;
  std::map<std::string, Bits> bits_;
};

}  // namespace cadmus
