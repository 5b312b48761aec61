// SPDX-License-Identifier: Apache-2.0
// ApplyOverride: one `--set name=value` of the command line into a configuration.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace google::protobuf {
class Message;
}

namespace cadmus {

// `override` is "optimizer.lr=3e-4": the path of a field, and its value as in a textproto, but for
// strings, whose quotes may be left out. "tags=x" appends to a list, "tags=[x, y]" replaces it;
// "optimizer={lr: 1}" merges into a message. Throws kConfig, naming the override.
void ApplyOverride(std::string_view override, google::protobuf::Message& out);

// Of a command that takes a run as it is: what starts with one of `allowed` ("device.") is applied,
// all else refused with `rule`, which says what may be given.
struct AllowedOverrides {
  std::span<const std::string_view> allowed;
  std::string_view rule;
};
void ApplyOverrides(const std::vector<std::string>& overrides, const AllowedOverrides& which,
                    google::protobuf::Message& out);

}  // namespace cadmus
