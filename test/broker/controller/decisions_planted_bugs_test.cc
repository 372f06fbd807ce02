// The tests of the decisions find bugs: each one of planted/bugs.txt is planted
// into the real cores, and one of them has to fail.
#include "test/support/planted_bugs/planted_bugs_tests.h"

#include <string>
#include <vector>

namespace sillok {

std::string ListOfPlantedBugs() {
  return "test/broker/controller/planted/bugs.txt";
}

std::vector<std::string> ProgramsWithBugs() {
  return {
      "test/broker/controller/decisions_with_bugs",
      "test/broker/controller/change_decisions_with_bugs",
      "test/broker/controller/simulation_with_bugs",
  };
}

}  // namespace sillok
