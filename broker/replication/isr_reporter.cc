#include "broker/replication/isr_reporter.h"

#include <utility>

#include "base/error.h"
#include "glog/logging.h"

namespace sillok {
namespace {

PartitionAssignment StateOf(const v1::PartitionState& state) {
  PartitionAssignment assignment;
  assignment.leader = BrokerId(state.leader());
  assignment.leader_epoch = LeaderEpoch(state.leader_epoch());
  assignment.partition_epoch = PartitionEpoch(state.partition_epoch());
  for (int32_t id : state.isr()) assignment.isr.emplace_back(id);
  for (int32_t id : state.replicas()) assignment.replicas.emplace_back(id);
  return assignment;
}

}  // namespace

std::shared_ptr<IsrReporter> IsrReporter::Create(IsrReporterOptions options,
                                                 Executor* executor,
                                                 Timer* timer,
                                                 IsrChannel* channel) {
  return std::shared_ptr<IsrReporter>(
      new IsrReporter(options, executor, timer, channel));
}

IsrReporter::IsrReporter(IsrReporterOptions options, Executor* executor,
                         Timer* timer, IsrChannel* channel)
    : options_(options), timer_(timer), channel_(channel), strand_(executor) {}

void IsrReporter::SetBrokerEpoch(BrokerEpoch epoch) {
  strand_.Post([self = shared_from_this(), epoch] {
    self->broker_epoch_ = epoch;
    self->MaybeSend();
  });
}

void IsrReporter::Report(std::shared_ptr<Partition> partition,
                         AlterIsr wanted) {
  // Posted, not dispatched: the request also carries what other partitions hand
  // in while the strand is on its way.
  strand_.Post([self = shared_from_this(), partition = std::move(partition),
                wanted = std::move(wanted)]() mutable {
    if (self->stopped_) return;
    const Key key(partition->topic_id(), partition->id().partition);
    self->waiting_[key] = Wanted{std::move(partition), std::move(wanted)};
    self->MaybeSend();
  });
}

void IsrReporter::PostFromOutside(Task task) {
  std::lock_guard lock(gate_);
  if (!closed_) strand_.Post(std::move(task));
}

void IsrReporter::Stop() {
  {
    std::lock_guard lock(gate_);
    closed_ = true;
  }
  strand_.Post([self = shared_from_this()] {
    self->stopped_ = true;
    self->waiting_.clear();
  });
}

void IsrReporter::MaybeSend() {
  if (busy_ || stopped_ || waiting_.empty() ||
      broker_epoch_ == BrokerEpoch(-1)) {
    return;
  }
  busy_ = true;
  v1::AlterPartitionRequest request;
  request.set_broker_id(options_.broker_id.value());
  request.set_broker_epoch(broker_epoch_.value());
  auto sent = std::make_shared<Batch>();
  while (!waiting_.empty() &&
         request.partitions_size() < options_.max_partitions_per_request) {
    auto node = waiting_.extract(waiting_.begin());
    const AlterIsr& change = node.mapped().change;
    v1::AlterPartition* alter = request.add_partitions();
    alter->set_topic_id(node.key().first);
    alter->set_partition(node.key().second);
    alter->set_leader_epoch(change.leader_epoch.value());
    alter->set_partition_epoch(change.partition_epoch.value());
    for (const IsrMemberEpoch& member : change.isr) {
      v1::IsrMember* isr = alter->add_isr();
      isr->set_broker_id(member.broker.value());
      isr->set_broker_epoch(member.broker == options_.broker_id
                                ? broker_epoch_.value()
                                : member.broker_epoch.value());
    }
    sent->insert(std::move(node));
  }
  channel_->AlterPartition(
      std::move(request), options_.request_timeout_ms,
      [self = shared_from_this(),
       sent](absl::StatusOr<v1::AlterPartitionResponse> response) {
        self->PostFromOutside([self, sent, response = std::move(response)] {
          self->OnAnswer(sent, response);
        });
      });
}

void IsrReporter::OnAnswer(
    std::shared_ptr<Batch> sent,
    absl::StatusOr<v1::AlterPartitionResponse> response) {
  const bool answered =
      response.ok() && response->error_code() == v1::NONE;
  if (!answered) {
    LOG(WARNING) << "ISR changes not answered partitions=" << sent->size()
                 << " status=" << response.status() << " error="
                 << (response.ok()
                         ? ErrorName(ErrorCodeFromNumber(
                               response->error_code()))
                         : "-");
    // The partitions ask again at once; the pause is here, so that all of
    // them share it.
    BackOff();
  } else {
    bool refused = false;
    for (const v1::AlteredPartition& altered : response->partitions()) {
      const auto found =
          sent->find(Key(altered.topic_id(), altered.partition()));
      if (found == sent->end()) continue;
      refused = refused || altered.error_code() != v1::NONE;
      found->second.partition->OnAlterIsrResult(
          ErrorCodeFromNumber(altered.error_code()),
          StateOf(altered.state()));
      sent->erase(found);
    }
    // A partition that was refused may ask again at once.
    if (refused || !sent->empty()) {
      BackOff();
    } else {
      busy_ = false;
    }
  }
  for (const auto& [key, wanted] : *sent) {
    wanted.partition->OnAlterIsrResult(ErrorCode::REQUEST_TIMED_OUT, {});
  }
  MaybeSend();
}

void IsrReporter::BackOff() {
  timer_->After(options_.backoff_ms, [weak = weak_from_this()] {
    const std::shared_ptr<IsrReporter> self = weak.lock();
    if (self == nullptr) return;
    self->PostFromOutside([self] {
      self->busy_ = false;
      self->MaybeSend();
    });
  });
}

}  // namespace sillok
