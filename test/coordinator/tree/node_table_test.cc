#include "coordinator/tree/node_table.h"

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace sillok {
namespace {

TEST(NodeTableTest, FindsChildrenByParentAndName) {
  NodeTable table;
  const NodeId a = table.Add(NodeTable::kRoot, "a", "data");
  const NodeId b = table.Add(a, "a", "");
  EXPECT_EQ(table.FindChild(NodeTable::kRoot, "a"), a);
  EXPECT_EQ(table.FindChild(a, "a"), b);
  EXPECT_EQ(table.FindChild(b, "a"), kNoNode);
  EXPECT_EQ(table.FindChild(NodeTable::kRoot, ""), kNoNode);
  EXPECT_EQ(table[a].data(), "data");
  EXPECT_EQ(table[a].name(), "a");
  EXPECT_EQ(table[a].num_children, 1u);
}

TEST(NodeTableTest, DataCanGrowAndShrinkWithoutTouchingTheName) {
  NodeTable table;
  const NodeId a = table.Add(NodeTable::kRoot, "name", "x");
  for (const size_t size : {0, 1000, 3, 0, 1}) {
    table.SetData(a, std::string(size, 'y'));
    EXPECT_EQ(table[a].data(), std::string(size, 'y'));
    EXPECT_EQ(table.FindChild(NodeTable::kRoot, "name"), a);
  }
}

// The index (backward-shift deletion, growth, reused numbers) against a map.
TEST(NodeTableTest, AgreesWithAMapUnderRandomChange) {
  NodeTable table;
  std::mt19937 random(7);
  std::map<std::pair<NodeId, std::string>, NodeId> model;
  std::vector<NodeId> parents{NodeTable::kRoot};
  for (int i = 0; i < 20; ++i) {
    const std::string name = "p" + std::to_string(i);
    parents.push_back(table.Add(NodeTable::kRoot, name, ""));
    model[{NodeTable::kRoot, name}] = parents.back();
  }
  for (int step = 0; step < 60'000; ++step) {
    // Grows to thousands, shrinks to few, and again.
    const bool add = (step / 10'000) % 2 == 0 ? random() % 10 < 7
                                              : random() % 10 < 3;
    const NodeId parent = parents[1 + random() % 20];
    const std::string name = "n" + std::to_string(random() % 1000);
    const auto it = model.find({parent, name});
    ASSERT_EQ(table.FindChild(parent, name),
              it == model.end() ? kNoNode : it->second);
    if (add && it == model.end()) {
      model[{parent, name}] = table.Add(parent, name, name);
    } else if (!add && it != model.end()) {
      table.Remove(it->second);
      model.erase(it);
    }
    ASSERT_EQ(table.size(), model.size() + 1);
  }
  std::map<NodeId, uint32_t> children;
  for (const auto& [key, id] : model) {
    ASSERT_EQ(table.FindChild(key.first, key.second), id);
    ++children[key.first];
  }
  for (const NodeId parent : parents) {
    uint32_t count = 0;
    for (NodeId c = table[parent].first_child; c != kNoNode;
         c = table[c].next) {
      EXPECT_EQ(table[c].parent, parent);
      ++count;
    }
    EXPECT_EQ(count, children[parent]);
    EXPECT_EQ(count, table[parent].num_children);
  }
}

}  // namespace
}  // namespace sillok
