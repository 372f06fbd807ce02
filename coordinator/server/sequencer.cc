#include "coordinator/server/sequencer.h"

#include <algorithm>
#include <variant>

#include "coordinator/tree/membership.h"

namespace sillok::coord {

Sequencer::Sequencer(const Options& options, const ZnodeTree& tree,
                     zab::Zab* zab)
    : options_(options),
      tree_(tree),
      zab_(zab),
      preparer_(tree, options.prepare),
      tracker_(options.tick_ms),
      reaper_(options.reaper) {}

void Sequencer::StartTerm(Now now) {
  EndTerm();
  in_term_ = true;
  tracker_.Start(tree_.sessions(), now.monotonic_ms);
  reaper_.Start(now.monotonic_ms);
}

void Sequencer::EndTerm() {
  in_term_ = false;
  preparer_.Reset();
  backlog_.clear();
  gathering_.clear();
  confirming_.clear();
  replies_.clear();
}

void Sequencer::Submit(MemberId from, v1::ForwardRequest request, Now now) {
  if (!in_term_) return;
  if (!backlog_.empty() || !Handle(from, request, now)) {
    backlog_.push_back({from, std::move(request)});
  }
}

bool Sequencer::Handle(MemberId from, v1::ForwardRequest& request, Now now) {
  SessionId session(request.session_id());
  switch (request.kind_case()) {
    case v1::ForwardRequest::kAttach:
      HandleAttach(from, request, now);
      return true;
    case v1::ForwardRequest::kCreateSession:
      return HandlePrepared(from, request, Prepare(from, request, now));
    case v1::ForwardRequest::KIND_NOT_SET:
      RefuseCode(from, request.ticket(), v1::UNIMPLEMENTED);
      return true;
    default:
      break;
  }
  switch (tracker_.Check(session, from)) {
    case SessionTracker::Verdict::kExpired:
      RefuseCode(from, request.ticket(), v1::SESSION_EXPIRED);
      return true;
    case SessionTracker::Verdict::kMoved:
      if (options_.faults.ignore_moved) break;
      RefuseCode(from, request.ticket(), v1::SESSION_MOVED);
      return true;
    case SessionTracker::Verdict::kOk:
      break;
  }
  tracker_.Touch(session, now.monotonic_ms);
  if (request.has_sync()) {
    // The barrier is the answer: all that is committed by now. And all that is
    // proposed: it may be of this session, which asked for it through another
    // member that it has left, and must not happen after the sync.
    v1::ForwardReply reply;
    reply.set_ticket(request.ticket());
    reply.set_after_zxid(zab_->last_logged().value());
    reply.mutable_response();
    if (options_.faults.sync_without_round) {
      reply.set_after_zxid(zab_->committed().value());
      replies_.emplace_back(from, std::move(reply));
      return true;
    }
    gathering_.emplace_back(from, std::move(reply));
    return true;
  }
  return HandlePrepared(from, request, Prepare(from, request, now));
}

Prepared Sequencer::Prepare(MemberId from, const v1::ForwardRequest& request,
                            Now now) {
  v1::TxnOrigin origin;
  origin.set_member_id(from.value());
  origin.set_session_id(request.session_id());
  origin.set_request_id(request.ticket());
  SessionId session(request.session_id());
  if (request.has_create_session()) {
    const v1::ForwardCreateSession& create = request.create_session();
    return preparer_.PrepareCreateSession(origin, session, create.password(),
                                          create.timeout_ms(), now.wall_ms);
  }
  if (request.has_close_session()) {
    return preparer_.PrepareCloseSession(origin, session, now.wall_ms);
  }
  if (request.write().has_reconfig()) {
    return preparer_.PrepareReconfig(
        origin, request.write().reconfig(), now.wall_ms, &request.identities(),
        [this](const auto& next) { return Judge(next); });
  }
  return preparer_.PrepareWrite(origin, request.write(), now.wall_ms,
                                &request.identities());
}

v1::CoordCode Sequencer::Judge(
    const std::vector<v1::EnsembleMember>& next) const {
  switch (zab_->CheckReconfig(ToZabMembers(next))) {
    case zab::ReconfigCheck::kOk:
      return v1::OK;
    case zab::ReconfigCheck::kNotLeading:
    case zab::ReconfigCheck::kBusy:
      return v1::RECONFIG_IN_PROGRESS;
    case zab::ReconfigCheck::kNoQuorum:
      return v1::NEW_CONFIG_NO_QUORUM;
    case zab::ReconfigCheck::kNoVoters:
      return v1::BAD_ARGUMENTS;
  }
  return v1::SYSTEM_ERROR;
}

bool Sequencer::HandlePrepared(MemberId from,
                               const v1::ForwardRequest& request,
                               Prepared prepared) {
  if (auto* rejected = std::get_if<Rejected>(&prepared)) {
    Refuse(from, request.ticket(), std::move(rejected->response),
           rejected->after);
    return true;
  }
  if (!Propose(std::get<v1::Txn>(prepared))) return false;
  if (request.has_close_session()) {
    tracker_.MarkClosing(SessionId(request.session_id()));
  }
  if (request.has_write() &&
      (options_.faults.reply_before_commit ||
       (options_.faults.answer_reconfig_early &&
        request.write().has_reconfig()))) {
    v1::ForwardReply reply;
    reply.set_ticket(request.ticket());
    reply.mutable_response();
    replies_.emplace_back(from, std::move(reply));
  }
  return true;
}

bool Sequencer::Propose(const v1::Txn& txn) {
  buffer_.clear();
  txn.AppendToString(&buffer_);
  std::optional<Zxid> zxid = zab_->Propose(buffer_);
  if (!zxid.has_value()) {
    preparer_.Withdraw();
    return false;
  }
  preparer_.Proposed(*zxid);
  ++counters_.proposed;
  return true;
}

void Sequencer::HandleAttach(MemberId from, const v1::ForwardRequest& request,
                             Now now) {
  SessionId session(request.session_id());
  if (!tree_.sessions().Authenticate(session, request.attach().password()) ||
      !tracker_.Claim(session, from, now.monotonic_ms)) {
    RefuseCode(from, request.ticket(), v1::SESSION_EXPIRED);
    return;
  }
  // Whatever any client has seen is applied here; so is it there after `after`.
  v1::ForwardReply reply;
  reply.set_ticket(request.ticket());
  reply.set_after_zxid(tree_.applied().value());
  reply.mutable_response();
  reply.set_timeout_ms(tree_.sessions().Find(session)->timeout_ms);
  replies_.emplace_back(from, std::move(reply));
}

void Sequencer::RefuseCode(MemberId from, uint64_t ticket,
                           v1::CoordCode code) {
  v1::CoordResponse response;
  response.set_code(code);
  // A close that is proposed may be what it rests on.
  Refuse(from, ticket, std::move(response), zab_->last_logged());
}

void Sequencer::Refuse(MemberId from, uint64_t ticket,
                       v1::CoordResponse response, Zxid after) {
  ++counters_.rejected;
  v1::ForwardReply reply;
  reply.set_ticket(ticket);
  // What is applied here is what it rests on, too: a member that lags must not
  // refuse for a reason that its clients cannot see yet.
  reply.set_after_zxid(std::max(after, tree_.applied()).value());
  *reply.mutable_response() = std::move(response);
  if (options_.faults.refuse_without_round) {
    replies_.emplace_back(from, std::move(reply));
    return;
  }
  gathering_.emplace_back(from, std::move(reply));
}

std::vector<SessionId> Sequencer::Touch(
    MemberId from, const std::vector<SessionId>& sessions, Now now) {
  std::vector<SessionId> moved;
  if (!in_term_) return moved;
  for (SessionId session : sessions) {
    if (tracker_.Check(session, from) == SessionTracker::Verdict::kOk) {
      tracker_.Touch(session, now.monotonic_ms);
    } else {
      moved.push_back(session);
    }
  }
  return moved;
}

void Sequencer::OnBroken(MemberId from, SessionId session, int64_t within_ms,
                         Now now) {
  if (!in_term_) return;
  // A session that has moved on meanwhile is none of `from`'s business.
  if (tracker_.Check(session, from) != SessionTracker::Verdict::kOk) return;
  tracker_.ExpireSoon(session, within_ms, now.monotonic_ms);
}

void Sequencer::OnApplied(Zxid zxid, const v1::Txn& txn,
                          const ApplyResult& result, Now now) {
  if (!in_term_) return;
  preparer_.Applied(zxid);
  if (result.session_created.has_value()) {
    tracker_.Add(*result.session_created, txn.create_session().timeout_ms(),
                 MemberId(txn.origin().member_id()), now.monotonic_ms);
  }
  if (result.session_closed.has_value()) {
    tracker_.Remove(*result.session_closed);
  }
}

void Sequencer::OnBarrier(const zab::BarrierResult& result) {
  auto it = confirming_.find(result.id);
  if (it == confirming_.end()) return;
  // Without the quorum's word there is no answer; the members end the streams
  // that wait for one when they see the leader change.
  if (result.ok) {
    for (auto& [from, reply] : it->second) {
      if (reply.response().code() == v1::OK) {
        reply.set_after_zxid(  // a sync
            std::max(reply.after_zxid(), result.zxid.value()));
      }
      replies_.emplace_back(from, std::move(reply));
    }
  }
  confirming_.erase(it);
}

void Sequencer::OnTime(Now now) {
  if (!in_term_) return;
  ExpireSessions(now);
  Reap(now);
}

void Sequencer::Reap(Now now) {
  v1::TxnOrigin origin;
  origin.set_member_id(options_.self.value());
  for (const std::string& path :
       reaper_.Due(tree_, now.monotonic_ms, now.wall_ms)) {
    Prepared prepared = preparer_.PrepareReap(
        origin, path, options_.reaper.max_never_used_ms, now.wall_ms);
    v1::Txn* txn = std::get_if<v1::Txn>(&prepared);
    if (txn == nullptr) continue;  // something happens to it just now
    if (!Propose(*txn)) return;    // the next round finds it again
    ++counters_.reaped;
  }
}

void Sequencer::ExpireSessions(Now now) {
  for (SessionId session : tracker_.Expire(now.monotonic_ms)) {
    if (!ProposeClose(session, now)) {
      tracker_.Reopen(session, now.monotonic_ms);
    }
  }
}

bool Sequencer::ProposeClose(SessionId session, Now now) {
  v1::TxnOrigin origin;
  origin.set_member_id(options_.self.value());
  origin.set_session_id(session.value());
  Prepared prepared =
      preparer_.PrepareCloseSession(origin, session, now.wall_ms);
  v1::Txn* txn = std::get_if<v1::Txn>(&prepared);
  if (txn == nullptr) return true;  // its close is pending already
  if (options_.faults.leak_ephemerals) {
    txn->mutable_close_session()->clear_ephemerals();
  }
  if (!Propose(*txn)) return false;
  ++counters_.expired_sessions;
  return true;
}

bool Sequencer::Close(SessionId session, Now now) {
  if (!in_term_ || !ProposeClose(session, now)) return false;
  tracker_.MarkClosing(session);
  return true;
}

void Sequencer::EndTurn(Now now) {
  if (!in_term_) return;
  while (!backlog_.empty() &&
         Handle(backlog_.front().from, backlog_.front().request, now)) {
    backlog_.pop_front();
  }
  if (gathering_.empty()) return;
  uint64_t barrier = next_barrier_++;
  if (zab_->ReadBarrier(barrier)) {
    confirming_[barrier] = std::exchange(gathering_, {});
  } else {
    gathering_.clear();
  }
}

}  // namespace sillok::coord
