// One random script, played on Debian's ZooKeeper and on ours; every reply,
// stat and event must be the same.
//
// SILLOK_DIFFERENTIAL_OPERATIONS=100000 for a long run (how many operations),
// SILLOK_DIFFERENTIAL_SEED=N where to begin, SILLOK_DIFFERENTIAL_MEMBERS=3 for
// ensembles instead of single servers, SILLOK_DIFFERENTIAL_CONTROL=1 to hold
// ZooKeeper to itself.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "gtest/gtest.h"
#include "test/differential/known_differences.h"
#include "test/differential/player.h"
#include "test/differential/script.h"
#include "test/differential/shrinker.h"
#include "test/differential/transcript.h"
#include "test/support/zookeeper/ensemble.h"

namespace sillok::differential {
namespace {

using Kind = zk::EnsembleSpec::Kind;

constexpr int kStepsOfAScript = 120;

int64_t FromEnvironment(const char* name, int64_t otherwise) {
  const char* text = getenv(name);
  return text == nullptr ? otherwise : std::atoll(text);
}

zk::EnsembleSpec Servers(Kind kind, const std::string& name, int members) {
  zk::EnsembleSpec spec;
  spec.kind = kind;
  spec.directory = testing::TempDir() + "/" + name;
  std::filesystem::create_directories(spec.directory);
  spec.members = members;
  if (kind == Kind::kDebian) {
    // What is compared does not hang on the disk, nor on when the reaper runs.
    spec.java_flags = {"-Dzookeeper.extendedTypesEnabled=true",
                       "-Dzookeeper.forceSync=no",
                       "-Dznode.container.checkIntervalMs=86400000"};
  } else {
    spec.settings = {"forceSync=false", "extendedTypesEnabled=true",
                     "znode.container.checkIntervalMs=86400000"};
  }
  return spec;
}

std::vector<zk::Address> Addresses(const zk::Ensemble& ensemble) {
  std::vector<zk::Address> all;
  for (int id = 1; id <= ensemble.members(); ++id) {
    all.push_back(ensemble.address(id));
  }
  return all;
}

// Plays scripts on both and keeps count of the differences that are choices.
class Duel {
 public:
  Duel(const zk::Ensemble& theirs, const zk::Ensemble& ours)
      : theirs_(Addresses(theirs)), ours_(Addresses(ours)) {}

  // The first difference that nothing explains: step and text.
  std::optional<std::string> FirstDifference(const Script& script) {
    const Transcript theirs = theirs_.Play(script);
    const Transcript ours = ours_.Play(script);
    Comparison comparison;
    EXPECT_EQ(theirs.size(), ours.size());
    for (size_t i = 0; i < theirs.size(); ++i) {
      auto difference = comparison.Compare(
          theirs[i], ours[i], [this](const Line& a, const Line& b) {
            auto choice = ExplainDifference(a, b);
            if (choice.has_value()) ++choices_[*choice];
            return choice.has_value();
          });
      if (!difference.has_value()) continue;
      // The first entry is the opening, the last the end.
      static const Step kNone;
      const Step& step =
          i >= 1 && i <= script.size() ? script[i - 1] : kNone;
      return "in step " + std::to_string(static_cast<int>(i) - 1) + " (" +
             Describe(step) + "): " + *difference;
    }
    return std::nullopt;
  }

  const std::map<std::string, int>& choices() const { return choices_; }

 private:
  Player theirs_;
  Player ours_;
  std::map<std::string, int> choices_;
};

TEST(DifferentialTest, EveryReplyStatAndEventIsZooKeepers) {
  const std::string missing = zk::Ensemble::DebianMissing();
  if (!missing.empty()) GTEST_SKIP() << missing;
  const int members =
      static_cast<int>(FromEnvironment("SILLOK_DIFFERENTIAL_MEMBERS", 1));
  const bool control = FromEnvironment("SILLOK_DIFFERENTIAL_CONTROL", 0) != 0;
  zk::Ensemble theirs(Servers(Kind::kDebian, "theirs", members));
  zk::Ensemble ours(
      Servers(control ? Kind::kDebian : Kind::kSillok, "ours", members));
  theirs.WaitForLeader();
  ours.WaitForLeader();

  Duel duel(theirs, ours);
  const auto wanted = static_cast<size_t>(
      FromEnvironment("SILLOK_DIFFERENTIAL_OPERATIONS", 4'000));
  auto seed =
      static_cast<uint64_t>(FromEnvironment("SILLOK_DIFFERENTIAL_SEED", 1));
  size_t operations = 0;
  int scripts = 0, differences = 0;
  for (; operations < wanted && differences < 5; ++seed, ++scripts) {
    const Script script = GenerateScript(seed, kStepsOfAScript);
    operations += CountOps(script);
    const auto first = duel.FirstDifference(script);
    if (!first.has_value()) continue;
    ++differences;
    if (!duel.FirstDifference(script).has_value()) {
      ADD_FAILURE() << "seed " << seed << ", not every time:\n" << *first;
      continue;
    }
    const Script small = Shrink(
        script,
        [&](const Script& less) {
          return duel.FirstDifference(less).has_value();
        },
        /*attempts=*/300);
    const auto difference = duel.FirstDifference(small);
    ADD_FAILURE() << "seed " << seed << ":\n"
                  << Describe(small)
                  << difference.value_or("(not every time) " + *first);
  }
  std::printf("%zu operations in %d scripts of %d members\n", operations,
              scripts, members);
  for (const auto& [choice, count] : duel.choices()) {
    std::printf("documented: %s: %d times\n", choice.c_str(), count);
  }
}

}  // namespace
}  // namespace sillok::differential
