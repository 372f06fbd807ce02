// What a Member tells of itself: for status pages and operators.
#include <algorithm>

#include "coordinator/server/member.h"

namespace sillok::coord {

void Member::FillStatus(v1::MemberStatusResponse* status) const {
  status->set_member_id(self_.value());
  // A member that is still joining a leader looks for one as far as clients are
  // concerned.
  status->set_role(!serving_                          ? "looking"
                   : role_.role == zab::Role::kLeading ? "leading"
                   : options_.zab.observes()           ? "observing"
                                                       : "following");
  status->set_leader_id(role_.leader.value());
  status->set_epoch(role_.epoch);
  status->set_last_logged_zxid(zab_.last_logged().value());
  status->set_last_applied_zxid(tree_->applied().value());
  status->set_znodes(static_cast<int64_t>(tree_->znodes()));
  status->set_ephemerals(static_cast<int64_t>(tree_->ephemerals()));
  status->set_watches(static_cast<int64_t>(watches_.size()));
  status->set_sessions(static_cast<int64_t>(tree_->sessions().size()));
  status->set_connections(static_cast<int64_t>(connections_.size()));
  status->set_approximate_data_bytes(tree_->data_bytes());
}

std::vector<StreamFacts> Member::DescribeStreams(Now now) const {
  std::vector<StreamFacts> all;
  all.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) {
    StreamFacts& facts = all.emplace_back(connection.facts);
    facts.id = id;
    facts.client_ip = connection.client_ip;
    if (connection.state == Connection::State::kOpen) {
      facts.session = connection.session;
    }
    facts.age_ms = now.monotonic_ms - connection.since_ms;
    facts.pending = connection.pending.size();
    facts.watches = watches_.size_of(id);
  }
  std::sort(all.begin(), all.end(),
            [](const StreamFacts& a, const StreamFacts& b) {
              return a.id < b.id;
            });
  return all;
}

void Member::ResetStreamTraffic() {
  for (auto& [id, connection] : connections_) connection.facts.traffic = {};
}

WatchCounts Member::CountWatches() const {
  return {watches_.connections(), watches_.paths(), watches_.size()};
}

std::map<std::string, std::set<SessionId>> Member::WatchesByPath() const {
  std::map<std::string, std::set<SessionId>> all;
  for (const auto& [path, connections] : watches_.WatchersByPath()) {
    for (const ConnectionId id : connections) {
      all[path].insert(connections_.at(id).session);
    }
  }
  return all;
}

std::map<SessionId, std::set<std::string>> Member::WatchesBySession() const {
  std::map<SessionId, std::set<std::string>> all;
  for (const auto& [path, connections] : watches_.WatchersByPath()) {
    for (const ConnectionId id : connections) {
      all[connections_.at(id).session].insert(path);
    }
  }
  return all;
}

std::map<SessionId, std::set<std::string>> Member::EphemeralsBySession()
    const {
  return tree_->AllEphemerals();
}

void Member::FillSessions(v1::ListSessionsResponse* response) const {
  std::map<SessionId, const SessionInfo*> sorted;
  for (const auto& [id, info] : tree_->sessions().all()) sorted[id] = &info;
  for (const auto& [id, info] : sorted) {
    v1::SessionDescription* session = response->add_sessions();
    session->set_session_id(id.value());
    session->set_timeout_ms(info->timeout_ms);
    session->set_ephemerals(
        static_cast<int64_t>(tree_->CountEphemeralsOf(id)));
    const auto here = by_session_.find(id);
    if (here == by_session_.end()) continue;
    session->set_here(true);
    session->set_client_address(connections_.at(here->second).client_ip);
  }
}

}  // namespace sillok::coord
