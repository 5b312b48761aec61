// SPDX-License-Identifier: Apache-2.0
#include "launch/plan/text_table.h"

#include <gtest/gtest.h>

namespace cadmus {
namespace {

TEST(TextTable, AlignsColumnsByCharacters) {
  TextTable table(2);
  table.Add({"", "name", "bytes"});
  table.Add({"pp 0–14", "tp", "7"});
  table.Add({"pp 15", "dp_shard", "123456"});
  EXPECT_EQ(table.ToString(),
            "           name       bytes\n"
            "  pp 0–14  tp             7\n"
            "  pp 15    dp_shard  123456\n");
}

TEST(TextTable, RowsMayBeShort) {
  TextTable table(1);
  table.Add({"a", "1", "22"});
  table.Add({"long"});
  EXPECT_EQ(table.ToString(), "  a     1  22\n  long\n");
}

TEST(TextTable, NoRowsGiveNoText) { EXPECT_EQ(TextTable(1).ToString(), ""); }

}  // namespace
}  // namespace cadmus
