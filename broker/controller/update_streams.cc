#include "broker/controller/update_streams.h"

namespace sillok {
namespace {

// is_new holds for the incarnations that were alive at the creation alone.
void KeepNewOnlyFor(const ClusterState& state, int32_t broker, int64_t epoch,
                    v1::ClusterUpdate* update) {
  for (v1::TopicState& told : *update->mutable_topics()) {
    auto topic = state.topics.find(told.name());
    for (v1::PartitionState& partition : *told.mutable_partitions()) {
      if (!partition.is_new() || topic == state.topics.end()) continue;
      const PartitionEntry* entry =
          topic->second.Find(partition.partition());
      partition.set_is_new(entry != nullptr &&
                           entry->IsNewOn(broker, epoch));
    }
  }
}

}  // namespace

void UpdateStreams::Open(StreamId id, int32_t broker, int64_t broker_epoch) {
  if (auto it = by_broker_.find(broker); it != by_broker_.end()) {
    const StreamId old = it->second;
    Close(old);
    closed_.push_back({old, "replaced by a newer stream of the broker"});
  }
  Stream& stream = streams_[id];
  stream.broker = broker;
  stream.broker_epoch = broker_epoch;
  by_broker_[broker] = id;
}

void UpdateStreams::Close(StreamId id) {
  auto it = streams_.find(id);
  if (it == streams_.end()) return;
  by_broker_.erase(it->second.broker);
  streams_.erase(it);
}

void UpdateStreams::OnSent(StreamId id) {
  auto it = streams_.find(id);
  if (it != streams_.end()) it->second.sending = false;
}

bool UpdateStreams::OnReport(StreamId id, uint64_t applied_sequence) {
  auto it = streams_.find(id);
  if (it == streams_.end()) return false;
  Stream& stream = it->second;
  if (applied_sequence >= stream.next_sequence) return false;
  while (!stream.unapplied.empty() &&
         stream.unapplied.front().first <= applied_sequence) {
    stream.applied_version = stream.unapplied.front().second;
    stream.unapplied.pop_front();
  }
  return true;
}

uint64_t UpdateStreams::Publish(const ClusterState& state,
                                const v1::ClusterUpdate& delta) {
  ++version_;
  for (auto& [id, stream] : streams_) {
    if (stream.needs_snapshot) continue;
    auto update = std::make_shared<v1::ClusterUpdate>(delta);
    update->set_broker_epoch(stream.broker_epoch);
    KeepNewOnlyFor(state, stream.broker, stream.broker_epoch, update.get());
    const size_t bytes = update->ByteSizeLong();
    stream.queue.push_back({std::move(update), version_, bytes});
    stream.queued_bytes += bytes;
    if (stream.queued_bytes > max_backlog_bytes_) {
      stream.queue.clear();
      stream.queued_bytes = 0;
      stream.needs_snapshot = true;
    }
  }
  return version_;
}

uint64_t UpdateStreams::AppliedVersion(int32_t broker) const {
  auto it = by_broker_.find(broker);
  return it == by_broker_.end() ? 0 : streams_.at(it->second).applied_version;
}

int32_t UpdateStreams::BrokerOf(StreamId id) const {
  auto it = streams_.find(id);
  return it == streams_.end() ? -1 : it->second.broker;
}

void UpdateStreams::CloseStaleStreams(const ClusterState& committed) {
  std::vector<StreamId> stale;
  for (const auto& [id, stream] : streams_) {
    auto broker = committed.brokers.find(stream.broker);
    const bool known = broker != committed.brokers.end();
    const bool started = !stream.needs_snapshot || stream.next_sequence > 1;
    const bool other = known && broker->second.epoch != stream.broker_epoch;
    // Not there: it went, or its registration has not been seen yet. A younger
    // registration than the one known is on its way to us, too.
    if ((!known && started) ||
        (other && (started || broker->second.epoch > stream.broker_epoch))) {
      stale.push_back(id);
    }
  }
  for (StreamId id : stale) {
    Close(id);
    closed_.push_back({id, "the broker's registration is not this one"});
  }
}

UpdateStreams::Update UpdateStreams::NextUpdate(
    Stream* stream, const ClusterState* committed) {
  std::shared_ptr<v1::ClusterUpdate> update;
  uint64_t version = 0;
  if (stream->needs_snapshot) {
    if (committed == nullptr) return nullptr;
    auto broker = committed->brokers.find(stream->broker);
    if (broker == committed->brokers.end() ||
        broker->second.epoch != stream->broker_epoch) {
      return nullptr;
    }
    update = std::make_shared<v1::ClusterUpdate>(
        MakeSnapshot(*committed, stream->broker));
    version = version_;
    stream->needs_snapshot = false;
  } else {
    if (stream->queue.empty()) return nullptr;
    Stream::Queued next = std::move(stream->queue.front());
    stream->queue.pop_front();
    stream->queued_bytes -= next.bytes;
    update = std::move(next.update);
    version = next.version;
  }
  update->set_sequence(stream->next_sequence++);
  stream->unapplied.emplace_back(update->sequence(), version);
  return update;
}

std::vector<std::pair<UpdateStreams::StreamId, UpdateStreams::Update>>
UpdateStreams::TakeSends(const ClusterState* committed) {
  if (committed != nullptr) CloseStaleStreams(*committed);
  std::vector<std::pair<StreamId, Update>> sends;
  for (auto& [id, stream] : streams_) {
    if (stream.sending) continue;
    Update update = NextUpdate(&stream, committed);
    if (update == nullptr) continue;
    stream.sending = true;
    sends.emplace_back(id, std::move(update));
  }
  return sends;
}

std::vector<UpdateStreams::Closed> UpdateStreams::TakeClosed() {
  return std::exchange(closed_, {});
}

}  // namespace sillok
