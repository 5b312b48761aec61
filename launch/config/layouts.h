// SPDX-License-Identifier: Apache-2.0
// The valid layouts of a run: all of a world, and the one nearest to a layout that is not valid.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace cadmus {

class RunConfig;

// `config` with every split of `world_size` ranks along pp, dp_replicate, dp_shard and tp that
// LayoutProblems accepts; all else as in `config`.
std::vector<RunConfig> ValidSplits(const RunConfig& config, int world_size);

// The valid layout that changes the fewest axes and options of `config`, then changes axes by the
// smallest factors. An option that no longer fits gets the value that always does (the schedule
// ONE_F_ONE_B, no sequence parallelism, …); model and batch stay. Nothing where none is valid.
std::optional<RunConfig> NearestValidLayout(const RunConfig& config, int world_size);

// The axes of `config`, and the options of its layout that differ from `usual`:
// "pp 2, dp_replicate 1, …, tp 2; schedule ZBV".
std::string DescribeLayout(const RunConfig& config, const RunConfig& usual);

}  // namespace cadmus
