#include "broker/grpc/ordered_stream.h"

#include <utility>

#include "base/rpc/raw_bytes.h"

namespace sillok::grpc_door {

OrderedStream::OrderedStream(const OrderedStreamLimits& limits, Handler handler,
                             std::function<void()> ended)
    : limits_(limits),
      handler_(std::move(handler)),
      ended_(std::move(ended)),
      shared_(std::make_shared<Shared>()) {
  shared_->stream = this;
  StartRead(&incoming_);
}

void OrderedStream::OnReadDone(bool ok) {
  std::shared_ptr<Shared> shared = shared_;
  if (!ok) {
    Action action;
    {
      std::lock_guard lock(shared->mutex);
      shared->reading = false;
      shared->input_ended = true;
      action = Next(*shared, limits_);
    }
    return Do(std::move(action));
  }
  Bytes request = rpc::ToBytes(incoming_);
  incoming_.Clear();
  uint64_t id;
  {
    std::lock_guard lock(shared->mutex);
    id = shared->front_id + shared->slots.size();
    shared->slots.push_back({request.size(), false, std::nullopt});
    shared->bytes += request.size();
  }
  absl::Status status =
      handler_(std::move(request), [shared, id](std::optional<Bytes> response) {
        Settle(shared, id, std::move(response));
      });
  if (!status.ok()) {
    return End(grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                            std::string(status.message())));
  }
  Action action;
  {
    std::lock_guard lock(shared->mutex);
    shared->reading = false;
    action = Next(*shared, limits_);
  }
  Do(std::move(action));
}

void OrderedStream::OnWriteDone(bool ok) {
  if (!ok) return End(grpc::Status::CANCELLED);
  std::shared_ptr<Shared> shared = shared_;
  Action action;
  {
    std::lock_guard lock(shared->mutex);
    outgoing_.Clear();
    shared->writing = false;
    action = Next(*shared, limits_);
  }
  Do(std::move(action));
}

void OrderedStream::OnCancel() { End(grpc::Status::CANCELLED); }

void OrderedStream::OnDone() {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->stream = nullptr;
    shared_->slots.clear();
  }
  delete this;
}

void OrderedStream::Settle(const std::shared_ptr<Shared>& shared, uint64_t id,
                           std::optional<Bytes> response) {
  OrderedStream* stream;
  Action action;
  {
    std::lock_guard lock(shared->mutex);
    // After Finish the reactor may go at any time: nothing of it is used then.
    if (shared->stream == nullptr || shared->finished) return;
    Slot& slot = shared->slots[id - shared->front_id];
    slot.ready = true;
    slot.response = std::move(response);
    stream = shared->stream;
    action = Next(*shared, stream->limits_);
  }
  stream->Do(std::move(action));
}

OrderedStream::Action OrderedStream::Next(Shared& shared,
                                          const OrderedStreamLimits& limits) {
  Action action;
  if (shared.finished) {
    ++shared.acting;
    return action;
  }
  while (!shared.writing && !shared.slots.empty() &&
         shared.slots.front().ready) {
    action.write = std::move(shared.slots.front().response);
    shared.bytes -= shared.slots.front().bytes;
    shared.slots.pop_front();
    ++shared.front_id;
    if (action.write.has_value()) shared.writing = true;
  }
  if (!shared.reading && !shared.input_ended &&
      shared.slots.size() < limits.max_requests &&
      shared.bytes < limits.max_bytes) {
    shared.reading = true;
    action.read = true;
  }
  if (shared.input_ended && shared.slots.empty() && !shared.writing) {
    shared.finished = true;
    shared.owed_finish = grpc::Status::OK;
  }
  // Counted in every case, so that the reactor outlives the Do that follows.
  ++shared.acting;
  return action;
}

void OrderedStream::Do(Action action) {
  if (action.write.has_value()) {
    outgoing_ = rpc::ToByteBuffer(*action.write);
    StartWrite(&outgoing_);
  }
  if (action.read) StartRead(&incoming_);
  Release();
}

void OrderedStream::Release() {
  std::optional<grpc::Status> finish;
  {
    std::lock_guard lock(shared_->mutex);
    if (--shared_->acting == 0) {
      finish = std::exchange(shared_->owed_finish, std::nullopt);
    }
  }
  if (finish.has_value()) Finish(*finish);
}

void OrderedStream::End(grpc::Status status) {
  {
    std::lock_guard lock(shared_->mutex);
    if (shared_->finished) return;
    shared_->finished = true;
    shared_->owed_finish = std::move(status);
    ++shared_->acting;
  }
  if (ended_) ended_();
  Release();
}

}  // namespace sillok::grpc_door
