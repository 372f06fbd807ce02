// The proof that tests find bugs: each bug of a list is planted into what they
// test, and one of them has to fail. Link with planted_bugs_tests.cc and say:
#ifndef SILLOK_TEST_SUPPORT_PLANTED_BUGS_PLANTED_BUGS_TESTS_H_
#define SILLOK_TEST_SUPPORT_PLANTED_BUGS_PLANTED_BUGS_TESTS_H_

#include <string>
#include <vector>

namespace sillok {

// The list that plant_bugs.py has read (its path in the runfiles).
std::string ListOfPlantedBugs();
// The test programs over what it has made.
std::vector<std::string> ProgramsWithBugs();

}  // namespace sillok

#endif  // SILLOK_TEST_SUPPORT_PLANTED_BUGS_PLANTED_BUGS_TESTS_H_
