// What a Member tells of itself: for status pages and operators.
#include <algorithm>

#include "coordinator/server/member.h"
#include "coordinator/tree/ensemble_text.h"

namespace sillok::coord {
namespace {

const char* WriteName(const v1::WriteOp& op) {
  switch (op.op_case()) {
    case v1::WriteOp::kCreate:
      return "CREA";
    case v1::WriteOp::kDelete:
      return "DELE";
    case v1::WriteOp::kSetData:
      return "SETD";
    case v1::WriteOp::kSetAcl:
      return "SETA";
    case v1::WriteOp::kCheck:
      return "CHEC";
    case v1::WriteOp::OP_NOT_SET:
      break;
  }
  return "NA";
}

const char* RequestName(const v1::CoordRequest& request) {
  switch (request.op_case()) {
    case v1::CoordRequest::kWrite:
      return WriteName(request.write());
    case v1::CoordRequest::kMulti:
      return "MULT";
    case v1::CoordRequest::kExists:
      return "EXIS";
    case v1::CoordRequest::kGetData:
      return "GETD";
    case v1::CoordRequest::kGetChildren:
      return "GETC";
    case v1::CoordRequest::kSync:
      return "SYNC";
    case v1::CoordRequest::kGetAcl:
      return "GETA";
    case v1::CoordRequest::kGetEphemerals:
      return "GETE";
    case v1::CoordRequest::kCountDescendants:
      return "GETACN";
    case v1::CoordRequest::kWhoAmI:
      return "HOMI";
    case v1::CoordRequest::kMultiRead:
      return "MLTR";
    case v1::CoordRequest::kAddWatch:
      return "ADDW";
    case v1::CoordRequest::kRemoveWatches:
      return request.remove_watches().check_only() ? "CHKW" : "REMW";
    case v1::CoordRequest::kReconfig:
      return "RECO";
    case v1::CoordRequest::OP_NOT_SET:
      break;
  }
  return "NA";
}

const char* OperationName(const v1::SessionRequest& request) {
  switch (request.kind_case()) {
    case v1::SessionRequest::kConnect:
      return "SESS";
    case v1::SessionRequest::kPing:
      return "PING";
    case v1::SessionRequest::kRequest:
      return RequestName(request.request());
    case v1::SessionRequest::kSetWatches:
      return "SETW";
    case v1::SessionRequest::kClose:
      return "CLOS";
    case v1::SessionRequest::kAuth:
      return "AUTH";
    case v1::SessionRequest::KIND_NOT_SET:
      break;
  }
  return "NA";
}

}  // namespace

void Member::FillStatus(v1::MemberStatusResponse* status) const {
  status->set_member_id(self_.value());
  // A member that is still joining a leader looks for one as far as clients are
  // concerned.
  status->set_role(read_only_                         ? "read-only"
                   : !serving_                        ? "looking"
                   : role_.role == zab::Role::kLeading ? "leading"
                   : zab_.membership().Votes(self_)    ? "following"
                                                       : "observing");
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
  for (const v1::EnsembleMember& member : tree_->ensemble().members) {
    v1::MemberAddress* address = status->add_members();
    address->set_member_id(member.id());
    address->set_peer_address(member.peer_address());
    address->set_client_address(member.client_address());
    address->set_zookeeper_address(ReachableAddress(
        member.zookeeper_address(), member.peer_address()));
    address->set_observer(member.observer());
  }
}

void Member::NoteRequest(Connection& connection,
                         const v1::SessionRequest& request, Now now) {
  now_ms_ = now.monotonic_ms;
  ++connection.facts.traffic.received;
  ++traffic_.received;
  connection.facts.last_operation = OperationName(request);
  connection.facts.last_request_id = request.request_id();
}

void Member::NoteAnswer(Connection& connection,
                        const v1::SessionResponse& message) {
  ++connection.facts.traffic.sent;
  ++traffic_.sent;
  connection.facts.last_zxid = message.zxid();
  connection.facts.last_answer_ms = now_ms_;
}

void Member::NoteLatency(Connection& connection, int64_t since_ms) {
  const int64_t latency_ms = std::max<int64_t>(now_ms_ - since_ms, 0);
  connection.facts.last_latency_ms = latency_ms;
  connection.facts.traffic.Answered(latency_ms);
  traffic_.Answered(latency_ms);
}

std::vector<StreamFacts> Member::DescribeStreams(Now now) const {
  std::vector<StreamFacts> all;
  all.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) {
    StreamFacts& facts = all.emplace_back(connection.facts);
    facts.id = id;
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
    session->set_client_address(connections_.at(here->second).facts.client_ip);
  }
}

}  // namespace sillok::coord
