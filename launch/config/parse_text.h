// SPDX-License-Identifier: Apache-2.0
// ParseText: one textproto into a message, with errors that say place, type and remedy.
#pragma once

#include <string>
#include <string_view>

namespace google::protobuf {
class Message;
}

namespace cadmus {

// Merges `text` into `out`: scalar fields of the text replace, messages merge, lists append. Within
// the text itself a field that is not a list stands once. Required fields may be missing. Throws
// kConfig "<source>:<line>:<column>: …", places from 1.
void ParseText(std::string_view source, const std::string& text, google::protobuf::Message& out);

}  // namespace cadmus
