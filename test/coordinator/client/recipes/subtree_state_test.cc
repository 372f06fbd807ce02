#include "coordinator/client/recipes/subtree_state.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sillok::coord {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Stat Stat(uint64_t czxid, uint64_t mzxid, int children = 0) {
  v1::Stat stat;
  stat.set_czxid(czxid);
  stat.set_mzxid(mzxid);
  stat.set_num_children(children);
  return stat;
}

std::vector<std::string> Show(const SubtreeState::Changes& changes) {
  std::vector<std::string> lines;
  for (const SubtreeChange& change : changes) {
    switch (change.kind) {
      case SubtreeChange::Kind::kAdded:
        lines.push_back("+" + change.path + "=" + change.node->data);
        break;
      case SubtreeChange::Kind::kChanged:
        lines.push_back("~" + change.path + "=" + change.node->data);
        break;
      case SubtreeChange::Kind::kRemoved:
        lines.push_back("-" + change.path);
        break;
      default:
        lines.push_back("?");
    }
  }
  return lines;
}

TEST(SubtreeStateTest, TellsWhatAReadChanged) {
  SubtreeState state;
  EXPECT_THAT(Show(state.OnRead("/a", "1", Stat(5, 5))), ElementsAre("+/a=1"));
  EXPECT_THAT(Show(state.OnRead("/a", "1", Stat(5, 5))), IsEmpty());
  // A child came: nothing of its own was written.
  EXPECT_THAT(Show(state.OnRead("/a", "1", Stat(5, 5, 1))), IsEmpty());
  EXPECT_EQ(state.nodes().at("/a")->stat.num_children(), 1);
  EXPECT_THAT(Show(state.OnRead("/a", "2", Stat(5, 6))), ElementsAre("~/a=2"));
  // Written with the same data is written.
  EXPECT_THAT(Show(state.OnRead("/a", "2", Stat(5, 7))), ElementsAre("~/a=2"));
  EXPECT_THAT(Show(state.OnRead("/a", "2", Stat(9, 9))),
              ElementsAre("-/a", "+/a=2"))
      << "another znode of that name";
}

TEST(SubtreeStateTest, WhatIsBelowGoesFirst) {
  SubtreeState state;
  for (const char* path : {"/a", "/a-b", "/a/x", "/a/x/y", "/ab"}) {
    state.OnRead(path, "", Stat(1, 1));
  }
  EXPECT_THAT(Show(state.OnGone("/a")),
              ElementsAre("-/a/x/y", "-/a/x", "-/a"));
  EXPECT_THAT(Show(state.OnGone("/a")), IsEmpty());
  EXPECT_EQ(state.nodes().size(), 2u);
}

TEST(SubtreeStateTest, OnlyWhatDiffersNeedsToBeRead) {
  SubtreeState state;
  EXPECT_TRUE(state.NeedsRead("/a", Stat(1, 1)));
  state.OnRead("/a", "x", Stat(1, 1));
  EXPECT_FALSE(state.NeedsRead("/a", Stat(1, 1, 3)));
  EXPECT_EQ(state.nodes().at("/a")->stat.num_children(), 3);
  EXPECT_EQ(state.nodes().at("/a")->data, "x");
  EXPECT_TRUE(state.NeedsRead("/a", Stat(1, 2)));
  EXPECT_TRUE(state.NeedsRead("/a", Stat(4, 4)));
}

TEST(SubtreeStateTest, APassFindsWhatWentUnseen) {
  SubtreeState state;
  for (const char* path : {"/r", "/r/a", "/r/a/x", "/r/b"}) {
    state.OnRead(path, "", Stat(1, 1));
  }
  state.BeginPass();
  EXPECT_FALSE(state.NeedsRead("/r", Stat(1, 1)));
  EXPECT_TRUE(state.NeedsRead("/r/b", Stat(1, 8)));
  EXPECT_THAT(Show(state.OnRead("/r/b", "new", Stat(1, 8))),
              ElementsAre("~/r/b=new"));
  // An event in the middle of it counts as met.
  EXPECT_THAT(Show(state.OnRead("/r/c", "", Stat(9, 9))),
              ElementsAre("+/r/c="));
  EXPECT_THAT(Show(state.EndPass()), ElementsAre("-/r/a/x", "-/r/a"));
  state.BeginPass();
  state.NeedsRead("/r", Stat(1, 1));
  state.NeedsRead("/r/b", Stat(1, 8));
  EXPECT_THAT(Show(state.OnGone("/r/b")), ElementsAre("-/r/b"));
  EXPECT_THAT(Show(state.EndPass()), ElementsAre("-/r/c"));
}

TEST(SubtreeStateTest, TheRootOfTheTreeIsAboveAll) {
  SubtreeState state;
  state.OnRead("/", "", Stat(0, 0));
  state.OnRead("/a", "", Stat(1, 1));
  EXPECT_THAT(Show(state.OnGone("/")), ElementsAre("-/a", "-/"));
}

}  // namespace
}  // namespace sillok::coord
