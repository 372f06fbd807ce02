// The half of Partition that changes state, on its strand.
#include "broker/replication/partition.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "broker/replication/partition_impl.h"
#include "glog/logging.h"

namespace sillok {

using Impl = Partition::Impl;

// ---- the door: everything is sent to the strand

std::shared_ptr<Partition> Partition::Create(TopicPartition id,
                                             std::string topic_id,
                                             PartitionLog* log,
                                             Offset high_watermark,
                                             PartitionOptions options,
                                             const Environment& environment) {
  std::shared_ptr<Partition> partition(
      new Partition(std::move(id), std::move(topic_id)));
  partition->impl_ = std::make_unique<Impl>(partition.get(), log,
                                            high_watermark, options,
                                            environment);
  return partition;
}

Partition::Partition(TopicPartition id, std::string topic_id)
    : id_(std::move(id)), topic_id_(std::move(topic_id)) {}

Partition::~Partition() = default;

void Partition::Append(AppendRequest request,
                       std::function<void(AppendOutcome)> done,
                       std::function<void(const AppendOutcome&)> appended) {
  impl_->strand().Dispatch([self = shared_from_this(),
                            request = std::move(request),
                            done = std::move(done),
                            appended = std::move(appended)]() mutable {
    self->impl_->Append(std::move(request), std::move(done),
                        std::move(appended));
  });
}

Partition::WaitId Partition::WaitFor(ReadBound bound, Offset offset,
                                     int64_t deadline_ms,
                                     std::function<void(WakeReason)> wake) {
  const WaitId id = impl_->NextWaitId();
  impl_->strand().Dispatch([self = shared_from_this(), id, bound, offset,
                            deadline_ms, wake = std::move(wake)]() mutable {
    self->impl_->WaitFor(id, bound, offset, deadline_ms, std::move(wake));
  });
  return id;
}

void Partition::CancelWait(WaitId id) {
  impl_->strand().Dispatch(
      [self = shared_from_this(), id] { self->impl_->CancelWait(id); });
}

void Partition::DeleteRecordsBefore(
    Offset offset, int64_t timeout_ms,
    std::function<void(ErrorCode, Offset)> done) {
  impl_->strand().Dispatch([self = shared_from_this(), offset, timeout_ms,
                            done = std::move(done)]() mutable {
    self->impl_->DeleteRecordsBefore(offset, timeout_ms, std::move(done));
  });
}

void Partition::ApplyState(const PartitionAssignment& state,
                           std::function<void()> applied) {
  impl_->strand().Dispatch(
      [self = shared_from_this(), state, applied = std::move(applied)] {
        self->impl_->ApplyState(state);
        if (applied) applied();
      });
}

void Partition::SetOptions(const PartitionOptions& options) {
  impl_->strand().Dispatch([self = shared_from_this(), options] {
    self->impl_->SetOptions(options);
  });
}

void Partition::SetLogOptions(const LogOptions& options) {
  impl_->strand().Dispatch([self = shared_from_this(), options] {
    self->impl_->SetLogOptions(options);
  });
}

void Partition::ForgetWriteTrouble() {
  impl_->strand().Dispatch(
      [self = shared_from_this()] { self->impl_->ForgetWriteTrouble(); });
}

void Partition::Stop(std::function<void()> done) {
  impl_->strand().Post(
      [self = shared_from_this(), done = std::move(done)]() mutable {
        self->impl_->Stop(std::move(done));
      });
}

void Partition::OnFetched(ReplicaFetchResult result,
                          std::function<void(FetchPosition)> next) {
  impl_->strand().Dispatch([self = shared_from_this(),
                            result = std::move(result),
                            next = std::move(next)]() mutable {
    self->impl_->OnFetched(std::move(result), std::move(next));
  });
}

void Partition::NextFetch(std::function<void(FetchPosition)> next) {
  impl_->strand().Dispatch(
      [self = shared_from_this(), next = std::move(next)]() mutable {
        self->impl_->NextFetch(std::move(next));
      });
}

void Partition::OnAlterIsrResult(ErrorCode error,
                                 const PartitionAssignment& state) {
  impl_->strand().Dispatch([self = shared_from_this(), error, state] {
    self->impl_->OnAlterIsrResult(error, state);
  });
}

void Partition::CheckIsr() {
  impl_->strand().Post(
      [self = shared_from_this()] { self->impl_->CheckIsr(); });
}

void Partition::RunRetention() {
  impl_->strand().Post(
      [self = shared_from_this()] { self->impl_->RunRetention(); });
}

void Partition::FlushLog() {
  impl_->strand().Post(
      [self = shared_from_this()] { self->impl_->FlushLog(); });
}

bool Partition::TakeHighWatermarkDirty() {
  return impl_->TakeHighWatermarkDirty();
}

bool Partition::NeedsIsrCheck() const { return impl_->NeedsIsrCheck(); }

// ---- the strand's side

Impl::Impl(Partition* owner, PartitionLog* log, Offset high_watermark,
           PartitionOptions options, const Environment& environment)
    : owner_(owner),
      log_(log),
      environment_(environment),
      strand_(environment.executor),
      options_(options),
      state_(environment.self,
             std::clamp(high_watermark, log->start_offset(),
                        log->end_offset())) {
  Publish();
}

std::shared_ptr<const PartitionPicture> Impl::Picture() const {
  std::lock_guard lock(picture_mutex_);
  return picture_;
}

Offset Impl::DurableEnd() const {
  const Offset end = log_->end_offset();
  if (!options_.acknowledge_after_flush) return end;
  return std::min(log_->recovery_point(), end);
}

LogPosition Impl::Position() const {
  const std::shared_ptr<const LogView> view = log_->view();
  LogPosition position;
  position.start = view->start_offset();
  position.end = view->end_offset();
  // Of the last record, not the latest known: an epoch that we began as leader
  // and wrote nothing in is not part of what the two logs share.
  if (position.end > position.start) {
    position.last_epoch = view->epochs()
                              .EpochOf(position.end - 1)
                              .value_or(kNoLeaderEpoch);
  }
  return position;
}

LeaderOptions Impl::MakeLeaderOptions() const {
  LeaderOptions options;
  options.min_insync_replicas = options_.min_insync_replicas;
  options.replica_lag_time_max_ms = options_.replica_lag_time_max_ms;
  return options;
}

// ---- leader: appends and follower positions

ErrorCode Impl::CheckAppend(const AppendRequest& request) const {
  const LeaderState* leader = state_.leader();
  if (leader == nullptr || stopping_) return ErrorCode::NOT_LEADER_OR_FOLLOWER;
  const ErrorCode epoch_error =
      CheckLeaderEpoch(request.expected_epoch, state_.leader_epoch());
  if (epoch_error != ErrorCode::NONE) return epoch_error;
  if (request.acks < -1 || request.acks > 1) {
    return ErrorCode::INVALID_REQUIRED_ACKS;
  }
  if (request.acks == -1 && !leader->EnoughInSync()) {
    return ErrorCode::NOT_ENOUGH_REPLICAS;
  }
  return ErrorCode::NONE;
}

void Impl::Append(AppendRequest request,
                  std::function<void(AppendOutcome)> done,
                  std::function<void(const AppendOutcome&)> appended) {
  AppendOutcome outcome;
  outcome.leader_epoch = state_.leader_epoch();
  outcome.error = CheckAppend(request);
  if (outcome.error != ErrorCode::NONE) {
    done(std::move(outcome));
    return;
  }
  AppendResult result =
      log_->Append(request.batch, state_.leader_epoch(),
                   environment_.clock->WallMs(), request.options);
  request.batch = Bytes();  // it may hold a whole network buffer
  outcome.error = result.error;
  outcome.error_message = std::move(result.message);
  outcome.record_errors = std::move(result.record_errors);
  outcome.log_start_offset = result.log_start;
  if (!result.ok()) {
    const std::string why = outcome.error_message;
    done(std::move(outcome));
    NoteWrite(result.error, why);
    if (const absl::Status failed = log_->failed(); !failed.ok()) {
      OnLogFailed(failed);
    }
    return;
  }
  NoteWrite(ErrorCode::NONE, "");
  outcome.base_offset = result.base_offset;
  outcome.last_offset = result.last_offset;
  outcome.log_append_time_ms = result.log_append_time_ms;
  state_.leader()->OnLocalEnd(log_->end_offset(), DurableEnd(), Now());
  if (appended) appended(outcome);
  if (request.acks == -1 ||
      (request.acks == 1 && options_.acknowledge_after_flush)) {
    AwaitAcknowledgement(request, std::move(outcome), std::move(done));
    AfterLeaderInput();
  } else {
    AfterLeaderInput();  // first: who was told "written" may read it
    done(std::move(outcome));
  }
  MaybeFlushInBackground();
}

void Impl::AwaitAcknowledgement(const AppendRequest& request,
                                AppendOutcome outcome,
                                std::function<void(AppendOutcome)> done) {
  const bool all = request.acks == -1;
  OffsetWaiters& waiters = all ? produced_ : flushed_;
  const Offset last = outcome.last_offset;
  waiters.Add(next_wait_id_++, last, Now() + request.timeout_ms,
              [this, all, outcome = std::move(outcome),
               done = std::move(done)](WakeReason reason) mutable {
                switch (reason) {
                  case WakeReason::kReached:
                    // The ISR may have shrunk since the append was let in.
                    if (all && state_.leader() != nullptr &&
                        !state_.leader()->EnoughInSync()) {
                      outcome.error =
                          ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND;
                    }
                    break;
                  case WakeReason::kDeadline:
                    outcome.error = ErrorCode::REQUEST_TIMED_OUT;
                    break;
                  case WakeReason::kRoleChanged:
                    outcome.error = ErrorCode::NOT_LEADER_OR_FOLLOWER;
                    break;
                }
                done(std::move(outcome));
              });
  ArmTimer();
}

void Impl::OnReplicaFetch(LeaderEpoch leader_epoch,
                          const LeaderState::ReplicaFetch& fetch) {
  LeaderState* leader = state_.leader();
  // The fetch was checked against the log of that epoch; another has come.
  if (leader == nullptr || state_.leader_epoch() != leader_epoch) return;
  leader->OnReplicaFetch(fetch, Now());
  AfterLeaderInput();
}

void Impl::AfterLeaderInput() {
  LeaderState* leader = state_.leader();
  if (leader == nullptr) return;
  std::optional<AlterIsr> wanted = leader->TakeAlterIsr();
  Publish();
  if (options_.acknowledge_after_flush) StartFlush();
  WakeReached();
  if (wanted.has_value()) environment_.alter_isr(Self(), *std::move(wanted));
}

void Impl::OnAlterIsrResult(ErrorCode error,
                            const PartitionAssignment& state) {
  LeaderState* leader = state_.leader();
  if (leader == nullptr) return;
  const PartitionEpoch before = leader->assignment().partition_epoch;
  leader->OnAlterIsrResult(error, state, Now());
  if (leader->assignment().partition_epoch != before) {
    LOG(INFO) << "ISR changed partition=" << owner_->id()
              << " leader_epoch=" << state_.leader_epoch()
              << " partition_epoch=" << leader->assignment().partition_epoch
              << " isr_size=" << leader->assignment().isr.size();
  } else if (error != ErrorCode::NONE) {
    VLOG(1) << "ISR change refused partition=" << owner_->id()
            << " error=" << error;
  }
  AfterLeaderInput();
}

void Impl::CheckIsr() {
  if (LeaderState* leader = state_.leader()) {
    leader->CheckLag(Now());
    AfterLeaderInput();
  }
}

// ---- roles

void Impl::ApplyState(const PartitionAssignment& next) {
  if (stopping_ || log_failed_) return;
  using Change = ReplicaState::Change;
  const Change preview = state_.Preview(next);
  if (preview == Change::kStale) return;
  if (preview == Change::kLeader) {
    // In the log before it is told to anybody: it answers followers' questions.
    if (const absl::Status status = log_->AssignEpoch(next.leader_epoch);
        !status.ok()) {
      OnLogFailed(status);
      return;
    }
  }
  const Change change = state_.Apply(next, MakeLeaderOptions(),
                                     log_->end_offset(), DurableEnd(), Now());
  if (change == Change::kUpdated) {
    Publish();
    AfterLeaderInput();
    return;
  }
  OnTenureChange(change);
}

void Impl::OnTenureChange(ReplicaState::Change change) {
  const bool leads = change == ReplicaState::Change::kLeader;
  LOG(INFO) << (leads ? "leading"
                : state_.role() == ReplicaRole::kFollower ? "following"
                                                          : "offline")
            << " partition=" << owner_->id()
            << " leader=" << state_.assignment().leader
            << " leader_epoch=" << state_.leader_epoch()
            << " high_watermark=" << state_.high_watermark()
            << " log_end=" << log_->end_offset();
  Publish();
  if (environment_.on_role_change) {
    environment_.on_role_change(Self(), state_.role(), state_.leader_epoch());
  }
  for (OffsetWaiters* waiters :
       {&on_high_watermark_, &on_last_stable_, &on_log_end_, &cut_}) {
    for (OffsetWaiters::Wake& wake : waiters->TakeAll()) {
      wake(WakeReason::kRoleChanged);
    }
  }
  if (!leads) {
    // Elected again, the log keeps what producers wait for. As a follower it
    // may have to drop it.
    for (OffsetWaiters* waiters : {&produced_, &flushed_}) {
      for (OffsetWaiters::Wake& wake : waiters->TakeAll()) {
        wake(WakeReason::kRoleChanged);
      }
    }
  }
  AfterLeaderInput();
}

void Impl::SetOptions(const PartitionOptions& options) {
  options_ = options;
  if (LeaderState* leader = state_.leader()) {
    leader->SetOptions(MakeLeaderOptions(), Now());
    leader->OnLocalEnd(log_->end_offset(), DurableEnd(), Now());
    AfterLeaderInput();
  }
}

void Impl::SetLogOptions(const LogOptions& options) {
  if (!stopping_) log_->UpdateOptions(options);
}

void Impl::Stop(std::function<void()> done) {
  stopping_ = true;
  stopped_ = std::move(done);
  if (state_.role() != ReplicaRole::kOffline) {
    state_.GoOffline();
    OnTenureChange(ReplicaState::Change::kFollower);
  }
  environment_.timer->Cancel(std::exchange(timer_, Timer::kNone));
  environment_.timer->Cancel(std::exchange(flush_timer_, Timer::kNone));
  for (auto& [delayed, next] : std::exchange(next_after_flush_, {})) {
    AnswerNext(delayed, std::move(next));
  }
  MaybeFinishStop();
}

void Impl::MaybeFinishStop() {
  if (!stopping_ || flushing_ || !stopped_) return;
  std::exchange(stopped_, nullptr)();
}

void Impl::OnLogFailed(const absl::Status& status) {
  if (std::exchange(log_failed_, true)) return;
  LOG(ERROR) << "log failed, replica goes offline partition=" << owner_->id()
             << " status=" << status;
  if (state_.role() != ReplicaRole::kOffline) {
    state_.GoOffline();
    OnTenureChange(ReplicaState::Change::kFollower);
  }
  if (environment_.on_log_failed) {
    environment_.on_log_failed(owner_->id(), status);
  }
}

void Impl::NoteWrite(ErrorCode error, const std::string& message) {
  const bool good = error == ErrorCode::NONE;
  // What the log refuses for its content says nothing of the disk.
  if (!good && error != ErrorCode::KAFKA_STORAGE_ERROR) return;
  if (log_failed_ || good == !write_trouble_) return;
  write_trouble_ = !good;
  if (environment_.on_write_trouble) {
    environment_.on_write_trouble(owner_->id(), message);
  }
}

// ---- follower

void Impl::OnFetched(ReplicaFetchResult result, Next next) {
  const FollowerState* follower = state_.follower();
  if (follower == nullptr || stopping_) {
    AnswerNext(false, std::move(next));
    return;
  }
  FetchAnswer answer;
  answer.error = result.error;
  answer.asked_epoch = result.leader_epoch;
  answer.asked_offset = result.fetch_offset;
  answer.asked_last_epoch = result.last_fetched_epoch;
  answer.leader_high_watermark = result.leader_high_watermark;
  answer.leader_log_start = result.leader_log_start;
  answer.diverging = result.diverging;
  const std::shared_ptr<const LogView> view = log_->view();
  const FollowerStep step = follower->Decide(
      answer, Position(),
      [&view](LeaderEpoch epoch) { return view->EndOffsetForEpoch(epoch); });
  const FollowerStep::Action action = CarryOut(step, result);
  if (action == FollowerStep::Action::kStop) {
    FetchPosition position;
    next(position);
    return;
  }
  AnswerNext(action == FollowerStep::Action::kWait, std::move(next));
}

FollowerStep::Action Impl::CarryOut(const FollowerStep& step,
                                    const ReplicaFetchResult& result) {
  using Action = FollowerStep::Action;
  absl::Status status;
  switch (step.action) {
    case Action::kIgnore:
    case Action::kWait:
    case Action::kStop:
      return step.action;
    case Action::kAppend:
      return AppendFetched(result);
    case Action::kTruncate: {
      const Offset end = log_->end_offset();
      LOG(INFO) << "truncating partition=" << owner_->id()
                << " from=" << end << " to=" << step.offset
                << " high_watermark=" << state_.high_watermark()
                << " leader_epoch=" << state_.leader_epoch();
      if (step.offset < state_.high_watermark()) {
        LOG(WARNING) << "truncation below the high watermark partition="
                     << owner_->id()
                     << ": an unclean leader election lost records";
      }
      status = step.offset < log_->start_offset()
                   ? log_->TruncateFullyAndStartAt(step.offset)
                   : log_->TruncateTo(step.offset);
      break;
    }
    case Action::kRestartAt:
      LOG(INFO) << "starting over partition=" << owner_->id()
                << " log_end=" << log_->end_offset() << " at=" << step.offset
                << ": the leader keeps nothing older";
      status = log_->TruncateFullyAndStartAt(step.offset);
      break;
  }
  if (!status.ok()) {
    OnLogFailed(status);
    return Action::kStop;
  }
  state_.SetFollowerHighWatermark(
      step.action == Action::kRestartAt
          ? step.offset
          : std::min(state_.high_watermark(), log_->end_offset()));
  Publish();
  return step.action;
}

FollowerStep::Action Impl::AppendFetched(const ReplicaFetchResult& result) {
  using Action = FollowerStep::Action;
  Action action = Action::kAppend;
  if (!result.batches.empty()) {
    const AppendResult appended = log_->AppendReplicated(
        result.batches, result.leader_epoch, environment_.clock->WallMs());
    if (const absl::Status failed = log_->failed(); !failed.ok()) {
      OnLogFailed(failed);
      return Action::kStop;
    }
    NoteWrite(appended.error, appended.message);
    if (!appended.ok()) {
      // A damaged answer: what was good of it is kept, the rest asked anew.
      LOG(WARNING) << "fetched batches refused partition=" << owner_->id()
                   << " offset=" << result.fetch_offset
                   << " error=" << appended.error << " " << appended.message;
      action = Action::kWait;
    }
  }
  const Offset end = log_->end_offset();
  if (result.leader_log_start > log_->start_offset() &&
      result.leader_log_start <= end) {
    if (const absl::Status status =
            log_->AdvanceLogStart(result.leader_log_start);
        !status.ok()) {
      LOG(WARNING) << "log start not advanced partition=" << owner_->id()
                   << " status=" << status;
    }
  }
  state_.SetFollowerHighWatermark(std::max(
      log_->start_offset(),
      FollowerState::HighWatermarkAfter(state_.high_watermark(),
                                        result.leader_high_watermark, end)));
  Publish();
  MaybeFlushInBackground();
  return action;
}

void Impl::NextFetch(Next next) { AnswerNext(false, std::move(next)); }

void Impl::AnswerNext(bool delayed, Next next) {
  // The position says what this replica has, and the leader believes it: with
  // acknowledge_after_flush it has to be on the disk first.
  if (options_.acknowledge_after_flush && !stopping_ && !log_failed_ &&
      DurableEnd() < log_->end_offset()) {
    next_after_flush_.emplace_back(delayed, std::move(next));
    StartFlush();
    return;
  }
  next(CurrentPosition(delayed));
}

FetchPosition Impl::CurrentPosition(bool delayed) const {
  FetchPosition position;
  const FollowerState* follower = state_.follower();
  if (follower == nullptr || follower->leader() == kNoBroker || stopping_) {
    return position;
  }
  const LogPosition log = Position();
  position.following = true;
  position.delayed = delayed;
  position.leader = follower->leader();
  position.leader_epoch = follower->leader_epoch();
  position.offset = log.end;
  position.last_fetched_epoch = log.last_epoch;
  position.log_start = log.start;
  position.high_watermark = state_.high_watermark();
  return position;
}

// ---- waiting

void Impl::WaitFor(uint64_t id, ReadBound bound, Offset offset,
                   int64_t deadline_ms, OffsetWaiters::Wake wake) {
  if (state_.leader() == nullptr || stopping_) {
    wake(WakeReason::kRoleChanged);
    return;
  }
  if (Picture()->Bound(bound) > offset) {
    wake(WakeReason::kReached);
    return;
  }
  if (deadline_ms <= Now()) {
    wake(WakeReason::kDeadline);
    return;
  }
  OffsetWaiters& waiters = bound == ReadBound::kHighWatermark
                               ? on_high_watermark_
                           : bound == ReadBound::kLastStable
                               ? on_last_stable_
                               : on_log_end_;
  waiters.Add(id, offset, deadline_ms, std::move(wake));
  ArmTimer();
}

void Impl::CancelWait(uint64_t id) {
  if (on_log_end_.Remove(id) || on_high_watermark_.Remove(id)) return;
  on_last_stable_.Remove(id);
}

void Impl::WakeReached() {
  const std::shared_ptr<const PartitionPicture> picture = Picture();
  // A callback may append or wait again; that runs after this task.
  const std::pair<OffsetWaiters*, Offset> bounds[] = {
      {&produced_, picture->high_watermark},
      {&flushed_, DurableEnd()},
      {&on_log_end_, picture->log->end_offset()},
      {&on_high_watermark_, picture->high_watermark},
      {&on_last_stable_, picture->last_stable_offset},
      {&cut_, LowWatermark()},
  };
  for (const auto& [waiters, bound] : bounds) {
    if (waiters->empty()) continue;
    for (OffsetWaiters::Wake& wake : waiters->TakeReached(bound)) {
      wake(WakeReason::kReached);
    }
  }
}

Offset Impl::LowWatermark() const {
  const LeaderState* leader = state_.leader();
  return leader == nullptr ? kNoOffset
                           : leader->LowWatermark(log_->start_offset());
}

void Impl::ArmTimer() {
  int64_t due = std::numeric_limits<int64_t>::max();
  for (const OffsetWaiters* waiters :
       {&on_high_watermark_, &on_last_stable_, &on_log_end_, &produced_,
        &flushed_, &cut_}) {
    if (const auto next = waiters->NextDeadline()) due = std::min(due, *next);
  }
  if (due == std::numeric_limits<int64_t>::max()) return;
  // A timer that fires too early for those who still wait is armed again then;
  // so busy partitions do not set one for each request.
  if (timer_ != Timer::kNone && timer_due_ms_ <= due) return;
  if (timer_ != Timer::kNone) environment_.timer->Cancel(timer_);
  timer_due_ms_ = due;
  timer_ = environment_.timer->After(
      due - Now(), [weak = owner_->weak_from_this()] {
        const std::shared_ptr<Partition> self = weak.lock();
        if (self == nullptr) return;
        self->impl_->strand_.Post([self] { self->impl_->OnDeadline(); });
      });
}

void Impl::OnDeadline() {
  timer_ = Timer::kNone;
  const int64_t now = Now();
  for (OffsetWaiters* waiters :
       {&on_high_watermark_, &on_last_stable_, &on_log_end_, &produced_,
        &flushed_, &cut_}) {
    for (OffsetWaiters::Wake& wake : waiters->TakeExpired(now)) {
      wake(WakeReason::kDeadline);
    }
  }
  ArmTimer();
}

// ---- the picture

void Impl::Publish() {
  const std::shared_ptr<const PartitionPicture> old = Picture();
  auto picture = std::make_shared<PartitionPicture>();
  picture->role = state_.role();
  picture->leader_epoch = state_.leader_epoch();
  picture->assignment =
      old != nullptr && *old->assignment == state_.assignment()
          ? old->assignment
          : std::make_shared<const PartitionAssignment>(state_.assignment());
  picture->high_watermark = state_.high_watermark();
  picture->log = log_->view();
  picture->last_stable_offset =
      std::min(picture->high_watermark,
               picture->log->first_open_transaction().value_or(
                   picture->high_watermark));
  if (const LeaderState* leader = state_.leader()) {
    picture->high_watermark_known = leader->HighWatermarkKnown();
    picture->enough_in_sync = leader->EnoughInSync();
    needs_isr_check_ = leader->NeedsCheck();
  } else {
    needs_isr_check_ = false;
  }
  if (old == nullptr || old->high_watermark != picture->high_watermark) {
    high_watermark_dirty_ = true;
  }
  std::lock_guard lock(picture_mutex_);
  picture_ = std::move(picture);
}

}  // namespace sillok
