// SPDX-License-Identifier: Apache-2.0
// The two waits that NCCL leaves to its user: until a communicator has done what it was asked for,
// and until an abort, which is not dependable, has come back. Both have a limit.
#pragma once

#include <chrono>
#include <functional>
#include <string_view>

namespace cadmus {

enum class Readiness { kInProgress, kReady };

// Asks until the answer is kReady, with naps. Throws kCommunication, in the name of `what`, once
// `limit` has passed; what `ask` throws passes through.
void AwaitReady(const std::function<Readiness()>& ask, std::chrono::milliseconds limit,
                std::string_view what);

// Runs `abort` on a thread of its own. False if it has not come back within `limit`; it then goes
// on by itself, so what it holds it must own.
bool AbortWithin(std::chrono::milliseconds limit, std::function<void()> abort);

}  // namespace cadmus
