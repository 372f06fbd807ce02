// Internal to member_world*.cc.
#ifndef SILLOK_TEST_SIM_MEMBER_WORLD_INTERNAL_H_
#define SILLOK_TEST_SIM_MEMBER_WORLD_INTERNAL_H_

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "test/sim/member_world.h"

namespace sillok::sim {

// The peer port of members before anybody changes it.
constexpr int kFirstPort = 2000;
std::string AddressOf(MemberId id, int port);
// What a configuration file says for these, and a transaction.
std::vector<v1::EnsembleMember> FileOf(const zab::Membership& membership);
v1::ReconfigTxn TxnOf(const std::vector<v1::EnsembleMember>& members);

template <typename... Parts>
void MemberWorld::Trace(const Parts&... parts) {
  if (!options_.trace) return;
  std::ostringstream out;
  int64_t ms = events_.now() / 1000;
  out << ms / 1000 << '.' << std::to_string(1000 + ms % 1000).substr(1) << ' ';
  (out << ... << parts);
  options_.trace(out.str());
}

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_MEMBER_WORLD_INTERNAL_H_
