// A bidirectional gRPC stream of raw messages, answered in the order of the
// requests while many of them are in work.
#ifndef SILLOK_BROKER_GRPC_ORDERED_STREAM_H_
#define SILLOK_BROKER_GRPC_ORDERED_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"

namespace sillok::grpc_door {

struct OrderedStreamLimits {
  // Requests in work, and their bytes: at either one reading stops until an
  // answer is on its way (back-pressure instead of growth).
  size_t max_requests = 256;
  size_t max_bytes = 64 << 20;
};

// Deletes itself when gRPC is done with it. The handler is called for one
// request after another, on a gRPC thread; `answer` may be called from any
// thread, once for each request.
class OrderedStream final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  // nullopt: this request is not answered (acks=0).
  using Answer = std::function<void(std::optional<Bytes> response)>;
  // A status that is not OK ends the stream with it (a message that cannot be
  // read); `answer` is then not used.
  using Handler = std::function<absl::Status(Bytes request, Answer answer)>;

  // `ended` runs once, on any thread, when no answer can be sent any more. May be
  // null.
  OrderedStream(const OrderedStreamLimits& limits, Handler handler,
                std::function<void()> ended = nullptr);

 private:
  // One request: waits for its turn.
  struct Slot {
    size_t bytes = 0;
    bool ready = false;
    std::optional<Bytes> response;
  };
  // What answers hold on to; outlives the reactor when requests still run.
  struct Shared {
    std::mutex mutex;
    OrderedStream* stream = nullptr;  // null once the stream is over
    std::deque<Slot> slots;
    uint64_t front_id = 0;  // of slots.front()
    size_t bytes = 0;       // of all slots
    bool reading = true;
    bool writing = false;
    bool input_ended = false;
    // No operation is begun any more. Finish itself waits until no thread is
    // about to begin one (`acting`): gRPC deletes the reactor after it.
    bool finished = false;
    int acting = 0;
    std::optional<grpc::Status> owed_finish;
  };
  // What to begin after the lock is released: gRPC may call back at once.
  struct Action {
    bool read = false;
    std::optional<Bytes> write;
  };

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  static void Settle(const std::shared_ptr<Shared>& shared, uint64_t id,
                     std::optional<Bytes> response);
  static Action Next(Shared& shared, const OrderedStreamLimits& limits);
  void Do(Action action);
  // Lets go of what Next counted; finishes when that is owed.
  void Release();
  void End(grpc::Status status);

  const OrderedStreamLimits limits_;
  const Handler handler_;
  const std::function<void()> ended_;
  const std::shared_ptr<Shared> shared_;
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
};

}  // namespace sillok::grpc_door

#endif  // SILLOK_BROKER_GRPC_ORDERED_STREAM_H_
