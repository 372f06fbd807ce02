#include "base/net/frame_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "asio/buffer.hpp"
#include "asio/connect.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/posix/stream_descriptor.hpp"
#include "asio/steady_timer.hpp"
#include "asio/write.hpp"
#include "base/net/frame_reader.h"
#include "base/net/transport.h"
#include "fmt/format.h"

namespace sillok::net {
namespace {

using asio::ip::tcp;

// Per look at the socket, so that no connection holds up the others.
constexpr int64_t kReadQuota = 1 << 20;

std::string WithLength(const Bytes& payload) {
  std::string frame(4, '\0');
  const auto size = static_cast<uint32_t>(payload.size());
  for (int i = 0; i < 4; ++i) {
    frame[static_cast<size_t>(i)] = static_cast<char>(size >> (24 - 8 * i));
  }
  for (const BytesPiece& piece : payload.pieces()) frame += piece.view();
  return frame;
}

}  // namespace

// What reactions hold on to. All but Expect and Abandon: on the loop thread.
class FrameClient::Link : public std::enable_shared_from_this<Link> {
 public:
  Link(Loop* loop, Options options)
      : loop_(loop), options_(std::move(options)) {}

  // Whoever calls on the loop thread, for one from inside an answer, writes at
  // once.
  void StartSoon(std::string frame, int64_t timeout_ms) {
    if (loop_->MayActHere()) return Start(std::move(frame), timeout_ms);
    loop_->Post([self = shared_from_this(), frame = std::move(frame),
                 timeout_ms]() mutable {
      self->Start(std::move(frame), timeout_ms);
    });
  }

  // Any thread.
  void Expect(Done done) {
    std::lock_guard lock(calling_);
    done_ = std::move(done);
  }
  void Abandon() {
    std::lock_guard lock(calling_);
    done_ = nullptr;
  }

  void Close() {
    closed_ = true;
    waiting_ = false;
    timer_.reset();
    Drop();
  }

 private:
  using Time = std::chrono::steady_clock::time_point;

  // Reactions of a connection that was dropped find `dropped` set.
  struct Connection {
    Connection(asio::io_context& io, int32_t max_frame_bytes)
        : resolver(io), socket(io), stream(io), reader(max_frame_bytes) {}
    tcp::resolver resolver;
    tcp::socket socket;  // until it is connected
    asio::posix::stream_descriptor stream;  // from then on
    std::unique_ptr<Transport> transport;
    FrameReader reader;
    bool writing = false;  // what the socket did not take at once
    bool dropped = false;
  };
  using ConnectionPtr = std::shared_ptr<Connection>;

  void Start(std::string frame, int64_t timeout_ms) {
    if (closed_) return;
    frame_ = std::move(frame);
    waiting_ = true;
    deadline_ =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    AwaitDeadline();
    if (connection_ == nullptr) {
      Connect();
    } else if (connection_->transport != nullptr) {
      Write();
    }
  }

  // One timer for many calls: an answer leaves it running, and when it fires it
  // is set again for the call that is under way then.
  void AwaitDeadline() {
    if (timer_.has_value() && timer_due_ <= deadline_) return;
    timer_due_ = deadline_;
    timer_.emplace(loop_->io(), timer_due_);
    timer_->async_wait([self = shared_from_this(),
                        due = timer_due_](const asio::error_code& error) {
      if (error || !self->timer_.has_value() || due != self->timer_due_) return;
      Loop::Turn turn(self->loop_);
      self->timer_.reset();
      if (!self->waiting_) return;
      if (std::chrono::steady_clock::now() < self->deadline_) {
        return self->AwaitDeadline();
      }
      self->Fail(absl::DeadlineExceededError(
          fmt::format("no answer from {}", self->Peer())));
    });
  }

  std::string Peer() const {
    return fmt::format("{}:{}", options_.host, options_.port);
  }

  void Connect() {
    connection_ =
        std::make_shared<Connection>(loop_->io(), options_.max_frame_bytes);
    connection_->resolver.async_resolve(
        options_.host, std::to_string(options_.port),
        [self = shared_from_this(), connection = connection_](
            const asio::error_code& error,
            const tcp::resolver::results_type& found) {
          if (connection->dropped) return;
          if (error) return self->LostInTurn(error);
          asio::async_connect(
              connection->socket, found,
              [self, connection](const asio::error_code& failed,
                                 const tcp::endpoint&) {
                if (connection->dropped) return;
                if (failed) return self->LostInTurn(failed);
                self->Connected();
              });
        });
  }

  void Connected() {
    // Anew with asio: a socket that has been waited for until it could be written
    // (as it is while connecting) reports that it can after each wait to read.
    asio::error_code error;
    const int fd = connection_->socket.release(error);
    if (error) return LostInTurn(error);
    connection_->stream.assign(fd, error);
    if (error) {
      close(fd);
      return LostInTurn(error);
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!options_.tcp_congestion.empty()) {
      setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION,
                 options_.tcp_congestion.data(),
                 static_cast<socklen_t>(options_.tcp_congestion.size()));
    }
    connection_->stream.native_non_blocking(true, error);
    if (error) return LostInTurn(error);
    connection_->transport = MakePlainTransport(fd);
    AwaitReadable();
    Write();
  }

  // A request is nearly always taken whole and at once by the socket.
  void Write() {
    const iovec part = {frame_.data(), frame_.size()};
    const ssize_t n = connection_->transport->Write(&part, 1, /*more=*/false);
    const size_t done = n > 0 ? static_cast<size_t>(n) : 0;
    if (done == frame_.size()) return;
    // Also what went wrong: async_write meets it again.
    connection_->writing = true;
    asio::async_write(
        connection_->stream, asio::buffer(frame_) + done,
        [self = shared_from_this(), connection = connection_](
            const asio::error_code& error, size_t) {
          connection->writing = false;
          if (error && !connection->dropped) self->LostInTurn(error);
        });
  }

  void AwaitReadable() {
    connection_->stream.async_wait(
        asio::posix::stream_descriptor::wait_read,
        [self = shared_from_this(),
         connection = connection_](const asio::error_code& error) {
          if (connection->dropped) return;
          Loop::Turn turn(self->loop_);
          if (error) return self->Lost(error);
          self->Read(connection);
        });
  }

  void Read(const ConnectionPtr& connection) {
    for (int64_t quota = kReadQuota; quota > 0;) {
      const FrameReader::ReadTarget target =
          connection->reader.Target(loop_->scratch(), Loop::kScratchBytes);
      const ssize_t n = connection->transport->Read(target.parts, target.count);
      const int error = errno;
      connection->reader.Received(n > 0 ? static_cast<size_t>(n) : 0);
      if (n == 0) return Fail(absl::UnavailableError(Peer() + " hung up"));
      if (n < 0 && error != EAGAIN && error != EWOULDBLOCK) {
        return Fail(absl::UnavailableError(
            fmt::format("{}: {}", Peer(), strerror(error))));
      }
      if (n < 0) break;
      TakeFrames(connection);
      if (connection->dropped) return;
      // A short read says what another one would.
      if (static_cast<size_t>(n) < target.size) break;
      quota -= n;
    }
    connection->reader.LetGo();
    AwaitReadable();
  }

  void TakeFrames(const ConnectionPtr& connection) {
    FrameReader& reader = connection->reader;
    while (!connection->dropped) {
      switch (reader.Next()) {
        case FrameReader::Step::kMore:
          return;
        case FrameReader::Step::kLength:
          reader.Begin(std::shared_ptr<char>(new char[reader.length()],
                                             std::default_delete<char[]>()));
          break;
        case FrameReader::Step::kFrame:
          if (!waiting_ || connection->writing) {
            return Fail(absl::UnavailableError(
                Peer() + " sent what nobody asked for"));
          }
          Answer(reader.TakeFrame());
          break;
        case FrameReader::Step::kBadLength:
          return Fail(absl::UnavailableError(fmt::format(
              "{} sent a frame of {} bytes", Peer(), reader.length())));
      }
    }
  }

  void Answer(absl::StatusOr<Bytes> answer) {
    waiting_ = false;
    std::lock_guard lock(calling_);
    const Done done = std::exchange(done_, nullptr);
    if (done) done(std::move(answer));
  }

  void LostInTurn(const asio::error_code& error) {
    Loop::Turn turn(loop_);
    Lost(error);
  }

  void Lost(const asio::error_code& error) {
    Fail(absl::UnavailableError(
        fmt::format("{}: {}", Peer(), error.message())));
  }

  void Fail(const absl::Status& status) {
    Drop();
    if (waiting_) Answer(status);
  }

  void Drop() {
    if (connection_ == nullptr) return;
    const ConnectionPtr connection = std::exchange(connection_, nullptr);
    connection->dropped = true;
    connection->resolver.cancel();
    asio::error_code ignored;
    connection->socket.close(ignored);
    connection->stream.close(ignored);
  }

  Loop* const loop_;
  const Options options_;

  // Held while `done_` runs, so that Abandon can wait for it; recursive because
  // the client may go inside it.
  std::recursive_mutex calling_;
  Done done_;

  // On the loop thread.
  ConnectionPtr connection_;
  std::string frame_;  // while it is being written
  bool waiting_ = false;
  Time deadline_;  // of the call that waits
  std::optional<asio::steady_timer> timer_;
  Time timer_due_;  // of a timer that is set
  bool closed_ = false;
};

FrameClient::FrameClient(Loop* loop, Options options)
    : loop_(loop), link_(std::make_shared<Link>(loop, std::move(options))) {}

FrameClient::~FrameClient() {
  link_->Abandon();
  loop_->Post([link = link_] { link->Close(); });
}

void FrameClient::Call(const Bytes& request, int64_t timeout_ms, Done done) {
  link_->Expect(std::move(done));
  link_->StartSoon(WithLength(request), timeout_ms);
}

}  // namespace sillok::net
