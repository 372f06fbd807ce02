#include "coordinator/tree/ensemble_change.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "coordinator/tree/ensemble_text.h"

namespace sillok {
namespace {

using ById = std::map<int32_t, v1::EnsembleMember>;

bool IsLoopback(std::string_view address) {
  const std::string host = HostOf(address);
  return host == "localhost" || host == "[::1]" || host.rfind("127.", 0) == 0;
}

// Those that no two members may have in common.
std::vector<std::string> ExclusiveAddresses(const v1::EnsembleMember& member) {
  std::vector<std::string> all;
  const std::string& peer = member.peer_address();
  if (!IsAnyAddress(peer)) all.push_back(peer);
  if (member.election_port() != 0 && !IsLoopback(peer) && !IsAnyAddress(peer)) {
    all.push_back(HostOf(peer) + ":" + std::to_string(member.election_port()));
  }
  for (const std::string& client :
       {member.client_address(), member.zookeeper_address()}) {
    if (!client.empty() && !IsLoopback(client) && !IsAnyAddress(client)) {
      all.push_back(client);
    }
  }
  return all;
}

// Every address is somebody's alone.
bool AreApart(const ById& members) {
  std::map<std::string, int32_t> owners;
  for (const auto& [id, member] : members) {
    for (const std::string& address : ExclusiveAddresses(member)) {
      if (!owners.emplace(address, id).second) return false;
    }
  }
  return true;
}

// What the line of `member` does not say and `before` knows.
void KeepUnsaid(const v1::EnsembleMember* before, v1::EnsembleMember* member) {
  if (before == nullptr ||
      HostOf(before->peer_address()) != HostOf(member->peer_address())) {
    return;
  }
  if (member->client_address().empty()) {
    member->set_client_address(before->client_address());
  }
  if (member->election_port() != 0) return;  // ZooKeeper's form says the rest
  if (member->zookeeper_address().empty()) {
    member->set_zookeeper_address(before->zookeeper_address());
  }
  if (member->peer_address() == before->peer_address()) {
    member->set_election_port(before->election_port());
  }
}

// Nothing when it cannot be read.
std::optional<v1::EnsembleMember> Read(const Ensemble& present,
                                       const std::string& line) {
  absl::StatusOr<v1::EnsembleMember> member = ParseServerLine(line);
  if (!member.ok()) return std::nullopt;
  const int port = PortOf(member->peer_address());
  if (port == 0 || port == member->election_port()) return std::nullopt;
  KeepUnsaid(present.Find(MemberId(member->id())), &*member);
  return *std::move(member);
}

bool ReadAll(const Ensemble& present, const v1::ReconfigOp& change,
             ById* members) {
  for (const std::string& line : change.new_members()) {
    if (line.rfind("version=", 0) == 0) continue;
    std::optional<v1::EnsembleMember> member = Read(present, line);
    if (!member) return false;
    const int32_t id = member->id();
    if (!members->emplace(id, *std::move(member)).second) return false;
  }
  return true;
}

bool ReadChange(const Ensemble& present, const v1::ReconfigOp& change,
                ById* members) {
  for (const v1::EnsembleMember& member : present.members) {
    (*members)[member.id()] = member;
  }
  for (const int32_t id : change.leaving()) members->erase(id);
  for (const std::string& line : change.joining()) {
    std::optional<v1::EnsembleMember> member = Read(present, line);
    if (!member) return false;
    if (member->election_port() != 0 && member->zookeeper_address().empty() &&
        member->client_address().empty()) {
      return false;
    }
    (*members)[member->id()] = *std::move(member);
  }
  return true;
}

}  // namespace

v1::CoordCode ChangeEnsemble(const Ensemble& present,
                             const v1::ReconfigOp& change,
                             std::vector<v1::EnsembleMember>* next) {
  ById members;
  const bool read = change.new_members().empty()
                        ? ReadChange(present, change, &members)
                        : ReadAll(present, change, &members);
  if (!read || !AreApart(members)) return v1::BAD_ARGUMENTS;
  bool any_votes = false;
  for (const auto& [id, member] : members) any_votes |= !member.observer();
  if (!any_votes) return v1::BAD_ARGUMENTS;
  next->clear();
  for (auto& [id, member] : members) next->push_back(std::move(member));
  return v1::OK;
}

}  // namespace sillok
