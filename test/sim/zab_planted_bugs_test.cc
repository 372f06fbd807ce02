// The simulator finds bugs: each of these is planted and has to be found.
#include "test/sim/zab_planted_bugs.h"

#include <ostream>
#include <sstream>

#include "gtest/gtest.h"
#include "test/sim/zab_run.h"

namespace sillok::sim {

std::ostream& operator<<(std::ostream& out, const PlantedBug& bug) {
  return out << bug.name;
}

namespace {

// Most fall within ten seeds, the rarest within a few hundred.
constexpr uint64_t kSeeds = 3000;

class ZabPlantedBugs : public testing::TestWithParam<PlantedBug> {};

TEST_P(ZabPlantedBugs, AreFound) {
  ZabWorldOptions options;
  options.faults.*GetParam().flag = true;
  std::ostringstream account;
  ZabRun run = RunZabSeeds(options, 1, kSeeds, account);
  EXPECT_TRUE(run.failed) << "not found in " << run.seeds << " seeds";
  // The account ends with the seed and what broke.
  EXPECT_NE(account.str().find("BROKEN \"" + run.failure.invariant),
            std::string::npos);
  RecordProperty("seeds", static_cast<int>(run.seeds));
  RecordProperty("invariant", run.failure.invariant);
}

INSTANTIATE_TEST_SUITE_P(Zab, ZabPlantedBugs, testing::ValuesIn(kPlantedBugs),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

}  // namespace
}  // namespace sillok::sim
