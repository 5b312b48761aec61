// SPDX-License-Identifier: Apache-2.0
// LoadConfig: a configuration from its file, the files it includes and the command line.
//
//   include: "base.textproto"     # a line of its own, at the top level; relative to this file
//   optimizer { lr: 3e-4 }        # replaces what base.textproto says of lr, keeps the rest
#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace google::protobuf {
class Message;
}

namespace cadmus {

// Fills `out`, cleared first, with the file at `path` and then with each override in turn (see
// ApplyOverride). What comes later replaces scalar fields, merges into messages and appends to
// lists; an include takes effect where it stands, and a file may be included twice but not by
// itself. Between two includes a field that is not a list stands once.
// Throws kConfig for a missing file; for an unknown field, a value of the wrong type and a syntax
// error, with file, line and column (from 1), message type and remedy; for an override, naming it;
// for a required field that nothing sets. `out` is then unspecified.
void LoadConfig(const std::filesystem::path& path, std::span<const std::string> overrides,
                google::protobuf::Message& out);

}  // namespace cadmus
