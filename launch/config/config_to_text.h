// SPDX-License-Identifier: Apache-2.0
// ConfigToText: the resolved configuration that is stored with every run and checkpoint.
#pragma once

#include <string>

namespace google::protobuf {
class Message;
}

namespace cadmus {

// The textproto of `config` with the schema's explicit defaults spelled out in every message that
// is present, so that a later change of a default does not change the stored run. What has a
// meaning by its absence stays absent: messages, members of a oneof, and scalars without [default =
// …]. Loading the text gives a message with the same values, whose text is the same again.
std::string ConfigToText(const google::protobuf::Message& config);

}  // namespace cadmus
