// One unary call on a loop. Loop thread only.
#ifndef SILLOK_CLIENT_INTERNAL_UNARY_CALL_H_
#define SILLOK_CLIENT_INTERNAL_UNARY_CALL_H_

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "client/internal/loop.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/async_unary_call.h"
#include "grpcpp/support/status.h"

namespace sillok::client {

template <typename Response>
class UnaryCall final : public Completion, public Cancellable {
 public:
  // Runs once, on the loop thread. The response is the callee's to move from.
  using Callback = std::function<void(const grpc::Status&, Response&)>;

  // `method` is a generated Async method: &v1::Broker::Stub::AsyncFetch. With a
  // stopping loop `done` runs at once, CANCELLED.
  template <typename Stub, typename Request>
  static void Start(
      Loop* loop, Stub* stub,
      std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (
          Stub::*method)(grpc::ClientContext*, const Request&,
                         grpc::CompletionQueue*),
      const Request& request, int64_t timeout_ms, Callback done) {
    if (loop->stopping()) {
      Response none;
      done(grpc::Status(grpc::StatusCode::CANCELLED, "closing"), none);
      return;
    }
    auto* call = new UnaryCall(loop, std::move(done));
    call->context_.set_deadline(std::chrono::system_clock::now() +
                                std::chrono::milliseconds(timeout_ms));
    call->reader_ = (stub->*method)(&call->context_, request, loop->queue());
    call->reader_->Finish(&call->response_, &call->status_,
                          static_cast<Completion*>(call));
  }

  void Done(bool) override {
    loop_->Unregister(this);
    done_(status_, response_);
    delete this;
  }
  void Cancel() override { context_.TryCancel(); }

 private:
  UnaryCall(Loop* loop, Callback done) : loop_(loop), done_(std::move(done)) {
    loop_->Register(this);
  }

  Loop* const loop_;
  Callback done_;
  grpc::ClientContext context_;
  Response response_;
  grpc::Status status_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_UNARY_CALL_H_
