#include "coordinator/server/member.h"

#include <algorithm>
#include <utility>

#include "coordinator/tree/membership.h"

namespace sillok::coord {
namespace {

// Until then the successor of a leader has to serve.
constexpr int64_t kTransferMs = 5'000;

}  // namespace

Member::Member(MemberOptions options, zab::HardState hard_state,
               std::unique_ptr<ZnodeTree> tree, const zab::LogView* log)
    : options_(WithEnsemble(std::move(options), *tree)),
      self_(options_.zab.self),
      zab_(options_.zab, hard_state, tree->applied(), log),
      tree_(std::move(tree)),
      next_ticket_(options_.first_ticket),
      next_session_id_(options_.first_session_id) {
  tree_->SetFileEnsemble(options_.ensemble);
}

Member::~Member() = default;

MemberOptions Member::WithEnsemble(MemberOptions options,
                                   const ZnodeTree& tree) {
  options.zab.membership_of = MembershipOf;
  options.zab.membership = ToMembership(
      tree.ensemble().version != Zxid() && !options.faults.file_members_at_start
          ? tree.ensemble()
          : Ensemble{Zxid(), options.ensemble});
  return options;
}

// --- peers ---

void Member::OnZabMessage(zab::Message message, Now now) {
  zab_.Step(std::move(message));
}

void Member::OnForward(MemberId from, uint32_t epoch, v1::ForwardBatch batch,
                       Now now) {
  if (role_.role != zab::Role::kLeading || role_.epoch != epoch) return;
  if (sequencer_ == nullptr || !sequencer_->in_term()) {
    early_.emplace_back(from, std::move(batch));
    return;
  }
  if (batch.touched_sessions_size() > 0) {
    std::vector<SessionId> touched;
    for (uint64_t session : batch.touched_sessions()) {
      touched.push_back(SessionId(session));
    }
    for (SessionId gone : sequencer_->Touch(from, touched, now)) {
      reply_batches_[from].add_moved_sessions(gone.value());
    }
  }
  for (const v1::BrokenSession& broken : batch.broken_sessions()) {
    sequencer_->OnBroken(from, SessionId(broken.session_id()),
                         broken.disconnect_timeout_ms(), now);
  }
  for (v1::ForwardRequest& request : *batch.mutable_requests()) {
    sequencer_->Submit(from, std::move(request), now);
  }
}

void Member::OnForwardReply(MemberId from, uint32_t epoch,
                            v1::ForwardReplyBatch batch, Now now) {
  if (from != role_.leader || epoch != role_.epoch) return;
  now_ms_ = now.monotonic_ms;
  for (const v1::ForwardReply& reply : batch.replies()) OnReply(reply);
  std::vector<SessionId> moved;
  for (uint64_t session : batch.moved_sessions()) {
    moved.push_back(SessionId(session));
  }
  DropUnknownSessions(moved);
}

void Member::OnLinkReset(MemberId peer) {
  if (role_.role != zab::Role::kFollowing || role_.leader != peer) return;
  // Requests on their way to the leader, or its answers, may be lost: what
  // became of them is unknown, which a broken stream tells the client.
  std::vector<ConnectionId> uncertain;
  for (const auto& [ticket, info] : tickets_) {
    uncertain.push_back(info.connection);
  }
  for (ConnectionId id : uncertain) EndStream(id, StreamEnd::kUnavailable);
  forward_.Clear();
}

// --- time ---

void Member::Tick(Now now) {
  zab_.Tick();
  UpdateReadOnly(now);
  if (serving_) sequencer_->OnTime(now);
  if (now.monotonic_ms < next_touch_ms_) return;
  next_touch_ms_ =
      now.monotonic_ms + std::max<int64_t>(options_.tick_ms / 2, 1);
  if (serving_) SendTouches(now);
  DropIdlers(now);
}

void Member::DropIdlers(Now now) {
  while (!newcomers_.empty() &&
         now.monotonic_ms - newcomers_.front().first >=
             options_.max_session_timeout_ms) {
    const ConnectionId id = newcomers_.front().second;
    newcomers_.pop_front();
    const auto it = connections_.find(id);
    if (it != connections_.end() &&
        it->second.state != Connection::State::kOpen) {
      EndStream(id, StreamEnd::kUnavailable);
    }
  }
}

// A sign of life; the leader hears of it with the next report.
void Member::Touch(ConnectionId id, Connection& connection) {
  if (std::exchange(connection.touched, true)) return;
  touched_.push_back(id);
}

void Member::SendTouches(Now now) {
  std::vector<SessionId> touched;
  for (const ConnectionId id : std::exchange(touched_, {})) {
    const auto it = connections_.find(id);
    if (it == connections_.end()) continue;
    it->second.touched = false;
    touched.push_back(it->second.session);
  }
  if (touched.empty()) return;
  if (role_.role == zab::Role::kLeading) {
    DropUnknownSessions(sequencer_->Touch(self_, touched, now));
    return;
  }
  for (SessionId session : touched) {
    forward_.add_touched_sessions(session.value());
  }
}

KillStart Member::KillSession(SessionId session, Now now) {
  if (!serving_ || role_.role != zab::Role::kLeading) {
    return KillStart::kNotLeading;
  }
  if (!tree_->sessions().Contains(session)) return KillStart::kNoSession;
  return sequencer_->Close(session, now) ? KillStart::kStarted
                                         : KillStart::kBusy;
}

zab::TransferStart Member::TransferLeadership(std::optional<MemberId> to,
                                              Now now) {
  if (!serving_ || role_.role != zab::Role::kLeading) {
    return zab::TransferStart::kNotLeading;
  }
  zab::TransferStart start = zab_.TransferTo(to);
  if (start == zab::TransferStart::kStarted) {
    transfer_ = {to, role_.epoch, now.monotonic_ms + kTransferMs};
  }
  return start;
}

std::optional<TransferEnd> Member::CheckTransfer(Now now) {
  if (!transfer_.has_value()) return std::nullopt;
  const bool still_leads = role_.role == zab::Role::kLeading &&
                           role_.epoch == transfer_->epoch &&
                           !zab_.transferring();
  const bool next_leads = role_.epoch > transfer_->epoch && role_.serving;
  if (!still_leads && !next_leads &&
      now.monotonic_ms < transfer_->deadline_ms) {
    return std::nullopt;
  }
  TransferEnd end{false, role_.leader, role_.epoch};
  end.ok = next_leads && role_.leader != self_ &&
           role_.leader == transfer_->to.value_or(role_.leader);
  transfer_.reset();
  return end;
}

void Member::Resign(Now now) {
  EndAllStreams(StreamEnd::kUnavailable);
  serving_ = false;
  resigned_ = true;
  role_changed_ = true;
  if (sequencer_ != nullptr) sequencer_->EndTerm();
  zab_.Resign();
}

// --- what ZAB says ---

MemberOutput Member::TakeOutput(Now now) {
  now_ms_ = now.monotonic_ms;
  MemberOutput output;
  // What one output causes (a barrier's answer, a term that begins) may make the
  // next one; the bound leaves the rest to the next turn.
  for (int round = 0; round < 8; ++round) {
    if (sequencer_ != nullptr) {
      sequencer_->EndTurn(now);
      for (auto& [to, reply] : sequencer_->TakeReplies()) {
        if (to == self_) {
          OnReply(reply);
        } else {
          *reply_batches_[to].add_replies() = std::move(reply);
        }
      }
    }
    if (!zab_.HasOutput()) break;
    TakeZabOutput(&output, now);
  }
  if (!loading_ && tree_->has_rows()) output.rows = tree_->TakeRows();
  if (forward_.requests_size() + forward_.touched_sessions_size() +
          forward_.broken_sessions_size() >
      0) {
    output.forwards.emplace_back(role_.leader, std::move(forward_));
    forward_.Clear();
  }
  for (auto& [to, batch] : reply_batches_) {
    output.forward_replies.emplace_back(to, std::move(batch));
  }
  reply_batches_.clear();
  output.epoch = role_.epoch;
  output.clients = std::exchange(client_actions_, {});
  output_bytes_ = 0;
  if (std::exchange(role_changed_, false)) {
    output.role = role_;
    output.role->serving = serving_;
  }
  output.transfer = CheckTransfer(now);
  output.fatal = fatal_;
  return output;
}

void Member::TakeZabOutput(MemberOutput* output, Now now) {
  zab::Output zab = zab_.TakeOutput();
  for (zab::Persist& persist : zab.persist) {
    if (persist.install_snapshot.has_value()) {
      EndAllStreams(StreamEnd::kUnavailable);
      loading_ = true;
    }
    output->persist.push_back(std::move(persist));
  }
  for (zab::Message& message : zab.send) {
    output->zab_messages.push_back(std::move(message));
  }
  for (zab::Entry& entry : zab.committed) {
    if (loading_) {
      deferred_.push_back(std::move(entry));
    } else {
      Apply(entry, now);
    }
  }
  for (const zab::BarrierResult& barrier : zab.barriers) {
    if (sequencer_ != nullptr) sequencer_->OnBarrier(barrier);
  }
  for (const zab::SnapshotSend& send : zab.snapshots) {
    output->snapshots.push_back(send);
  }
  output->discard_snapshot |= zab.discard_snapshot;
  if (zab.membership.has_value()) output->membership = zab.membership;
  if (zab.contacts.has_value()) output->contacts = zab.contacts;
  output->removed |= zab.removed;
  if (!zab.fatal.empty()) fatal_ = zab.fatal;
  if (zab.role.has_value()) OnRole(*zab.role, now);
  UpdateServing(now);
}

void Member::OnRole(const zab::RoleState& role, Now now) {
  bool same_term = role.role == role_.role && role.leader == role_.leader &&
                   role.epoch == role_.epoch;
  if (!same_term || !role.serving) {
    EndAllStreams(StreamEnd::kUnavailable);
    forward_.Clear();
    early_.clear();
    if (sequencer_ != nullptr) sequencer_->EndTerm();
    term_starts_at_.reset();
    serving_ = false;
  }
  if (role.role == zab::Role::kLeading && role.serving &&
      !term_starts_at_.has_value()) {
    term_starts_at_ = zab_.last_logged();
  }
  role_ = role;
  role_changed_ = true;
}

void Member::UpdateServing(Now now) {
  bool ready = role_.serving && !loading_ && !resigned_ &&
               (role_.role == zab::Role::kFollowing ||
                (term_starts_at_.has_value() &&
                 tree_->applied() >= *term_starts_at_));
  if (ready == serving_) return UpdateReadOnly(now);
  serving_ = ready;
  role_changed_ = true;
  UpdateReadOnly(now);
  if (!serving_) return EndAllStreams(StreamEnd::kUnavailable);
  if (sequencer_ == nullptr) {
    sequencer_ = std::make_unique<Sequencer>(
        Sequencer::Options{self_, options_.tick_ms, options_.prepare,
                           options_.reaper, options_.faults},
        *tree_, &zab_);
  }
  next_touch_ms_ = now.monotonic_ms;
  if (role_.role != zab::Role::kLeading) return;
  sequencer_->StartTerm(now);
  for (auto& [from, batch] : std::exchange(early_, {})) {
    OnForward(from, role_.epoch, std::move(batch), now);
  }
}

void Member::Apply(const zab::Entry& entry, Now now) {
  if (!fatal_.empty()) return;
  if (entry.txn->empty()) {  // ZAB's own
    tree_->SkipTo(entry.zxid);
    return ReleaseReplies();
  }
  v1::Txn txn;
  if (!txn.ParseFromString(*entry.txn)) {
    fatal_ = "the transaction at zxid " + std::to_string(entry.zxid.value()) +
             " cannot be read";
    return;
  }
  TicketInfo* mine = nullptr;
  Ticket ticket = txn.origin().request_id();
  if (txn.origin().member_id() == self_.value() && ticket != 0) {
    auto it = tickets_.find(ticket);
    if (it != tickets_.end()) mine = &it->second;
  }
  if (mine != nullptr) {
    ConnectionId id = mine->connection;
    connections_.at(id).pending.ExecuteBefore(
        ticket, tree_->applied(),
        [&](const v1::SessionRequest& request, int64_t since_ms,
            PendingRequests::Messages* messages) {
          Execute(id, request, since_ms, messages);
        });
  }
  absl::StatusOr<ApplyResult> result = tree_->Apply(entry.zxid, txn);
  if (!result.ok()) {
    fatal_ = "this member's state differs from the leader's: " +
             result.status().ToString();
    return;
  }
  if (sequencer_ != nullptr) {
    sequencer_->OnApplied(entry.zxid, txn, *result, now);
  }
  if (mine != nullptr && options_.faults.answer_before_events) {
    Answer(std::exchange(ticket, 0), result->response, 0);
  }
  SendEvents(entry.zxid, result->changes);
  if (mine != nullptr) {
    Answer(ticket, result->response,
           txn.has_create_session() ? txn.create_session().timeout_ms() : 0);
  }
  // Its own close was answered above, which ended the stream.
  if (result->session_closed.has_value()) {
    DropSessions({*result->session_closed});
  }
  ReleaseReplies();
}

void Member::SendEvents(Zxid zxid, const std::vector<TreeChange>& changes) {
  for (WatchNotice& notice : watches_.Trigger(zxid, changes)) {
    auto it = connections_.find(notice.connection);
    if (it == connections_.end()) continue;
    Connection& connection = it->second;
    if (!IsAllowed(notice.acl, kReadPermission, RequesterOf(connection)) &&
        !options_.faults.events_for_all) {
      continue;
    }
    v1::SessionResponse message;
    message.set_zxid(zxid.value());
    *message.mutable_event() = std::move(notice.event);
    scratch_.clear();
    connection.pending.AddEvent(std::move(message), &scratch_);
    for (v1::SessionResponse& now_due : scratch_) {
      Send(notice.connection, std::move(now_due));
    }
  }
}

void Member::OnSnapshotReceived(MemberId from, uint32_t epoch, Zxid zxid,
                                std::string_view ensemble_row) {
  if (options_.faults.forget_snapshot_members) ensemble_row = {};
  const absl::StatusOr<Ensemble> ensemble = ReadEnsembleRow(ensemble_row);
  if (!ensemble.ok()) {
    fatal_ = "a snapshot names members that cannot be read: " +
             ensemble.status().ToString();
    return;
  }
  zab_.OnSnapshotReceived(from, epoch, zxid, ToMembership(*ensemble));
}

void Member::OnTreeLoaded(std::unique_ptr<ZnodeTree> tree, Now now) {
  // The desk looks at the tree it was made with.
  sequencer_.reset();
  tree_ = std::move(tree);
  if (!options_.faults.forget_file_members) {
    tree_->SetFileEnsemble(options_.ensemble);
  }
  loading_ = false;
  for (const zab::Entry& entry : std::exchange(deferred_, {})) {
    if (entry.zxid > tree_->applied()) Apply(entry, now);
  }
  UpdateServing(now);
}

}  // namespace sillok::coord
