// SPDX-License-Identifier: Apache-2.0
// Agree: a part of collective work that may fail on some ranks, after which all ranks know.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "collectives/communicator/communicator.h"

namespace cadmus {

// The bytes of every rank, in rank order. Collective; blocks. Takes a few MiB of device memory and
// gives them back.
std::vector<std::string> AllGatherBytes(const std::string& bytes, Communicator& world,
                                        Stream& stream);

// Does `work` on this rank and returns what it returned on every rank. If it throws on any rank,
// all ranks throw the error of the first such rank, which is named. Collective; blocks.
std::vector<std::string> Agree(const std::function<std::string()>& work, Communicator& world,
                               Stream& stream);

}  // namespace cadmus
