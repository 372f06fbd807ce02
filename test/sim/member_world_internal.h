// Internal to member_world*.cc.
#ifndef SILLOK_TEST_SIM_MEMBER_WORLD_INTERNAL_H_
#define SILLOK_TEST_SIM_MEMBER_WORLD_INTERNAL_H_

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

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_MEMBER_WORLD_INTERNAL_H_
