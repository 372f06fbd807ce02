// The tests of the log find bugs: each one of planted/bugs.txt is planted into
// the real log, and one of them has to fail.
#include "test/support/planted_bugs/planted_bugs_tests.h"

#include <string>
#include <vector>

namespace sillok {

std::string ListOfPlantedBugs() { return "test/broker/log/planted/bugs.txt"; }

std::vector<std::string> ProgramsWithBugs() {
  return {
      "test/broker/log/partition_log_with_bugs",
      "test/broker/log/crash_with_bugs",
      "test/broker/log/producer_recovery_with_bugs",
      "test/broker/log/log_directory_with_bugs",
  };
}

}  // namespace sillok
