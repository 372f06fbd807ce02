#include "base/net/frame_link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <utility>

#include "asio/connect.hpp"
#include "asio/ip/address.hpp"
#include "asio/post.hpp"
#include "fmt/format.h"

namespace sillok::net {
namespace {

using asio::ip::tcp;

// Per turn, so that no connection holds up the others.
constexpr int64_t kReadQuota = 512 << 10;
constexpr int64_t kWriteQuota = 1 << 20;

void SetNumber(int fd, int level, int option, int value) {
  setsockopt(fd, level, option, &value, sizeof(value));
}

}  // namespace

std::optional<HostPort> SplitHostPort(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  HostPort parts;
  parts.host = text.substr(0, colon);
  if (parts.host.size() > 2 && parts.host.front() == '[' &&
      parts.host.back() == ']') {
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  }
  const char* begin = text.data() + colon + 1;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(begin, end, parts.port);
  if (error != std::errc() || rest != end || parts.port < 0 ||
      parts.port > 65'535) {
    return std::nullopt;
  }
  return parts;
}

std::shared_ptr<FrameLink> FrameLink::Dial(Loop* loop, Options options,
                                           Handler handler) {
  auto link = std::make_shared<FrameLink>(loop, std::move(options),
                                          std::move(handler));
  link->Resolve();
  return link;
}

FrameLink::FrameLink(Loop* loop, Options options, Handler handler)
    : loop_(loop),
      options_(std::move(options)),
      handler_(std::move(handler)),
      resolver_(loop->io()),
      socket_(loop->io()),
      deadline_(loop->io()),
      reader_(options_.max_frame_bytes) {}

template <typename Act>
auto FrameLink::InTurn(Act act) {
  return [self = shared_from_this(), act = std::move(act)](
             const asio::error_code& error, auto&&... results) {
    Loop::Turn turn(self->loop_);
    if (self->ended_) return;
    act(self.get(), error, results...);
  };
}

// --- Connecting.

void FrameLink::Resolve() {
  deadline_.expires_after(
      std::chrono::milliseconds(options_.connect_timeout_ms));
  deadline_.async_wait(InTurn([](FrameLink* link, const asio::error_code& e) {
    if (!e && link->transport_ == nullptr) link->Fail("no answer");
  }));
  // An address needs no resolver, and so not the thread of one.
  asio::error_code not_numeric;
  const asio::ip::address address =
      asio::ip::make_address(options_.host, not_numeric);
  if (!not_numeric) {
    Connect(tcp::endpoint(address, static_cast<uint16_t>(options_.port)));
    return;
  }
  resolver_.async_resolve(
      options_.host, std::to_string(options_.port),
      InTurn([](FrameLink* link, const asio::error_code& error,
                const tcp::resolver::results_type& found) {
        if (error) return link->Fail(error.message());
        asio::async_connect(
            link->socket_, found,
            link->InTurn([](FrameLink* self, const asio::error_code& failed,
                            const tcp::endpoint&) {
              self->Connected(failed);
            }));
      }));
}

void FrameLink::Connect(const tcp::endpoint& to) {
  socket_.async_connect(
      to, InTurn([](FrameLink* link, const asio::error_code& error) {
        link->Connected(error);
      }));
}

void FrameLink::Connected(const asio::error_code& error) {
  if (error) return Fail(error.message());
  deadline_.cancel();
  const int fd = socket_.native_handle();
  SetNumber(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetNumber(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetNumber(fd, IPPROTO_TCP, TCP_KEEPIDLE, 5);
  SetNumber(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  SetNumber(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
            static_cast<int>(options_.unacknowledged_ms));
  if (!options_.tcp_congestion.empty()) {
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION,
               options_.tcp_congestion.data(),
               static_cast<socklen_t>(options_.tcp_congestion.size()));
  }
  asio::error_code refused;
  socket_.native_non_blocking(true, refused);
  if (refused) return Fail(refused.message());
  transport_ = MakePlainTransport(fd);
  AwaitReadable();
  TouchThis();
}

// --- Writing.

void FrameLink::Send(OutFrame frame) {
  if (ended_ || finishing_) return;
  unsent_.Append(std::move(frame));
  TouchThis();
}

void FrameLink::TouchThis() {
  if (touched_ || transport_ == nullptr) return;
  touched_ = true;
  loop_->Touch(shared_from_this());
}

void FrameLink::Settle() {
  touched_ = false;
  if (ended_ || awaits_writable_) return;
  SendQueue::Sent sent;
  switch (unsent_.Flush(transport_.get(), kWriteQuota, loop_->scratch(),
                        Loop::kScratchBytes, &sent)) {
    case SendQueue::Outcome::kEmpty:
      if (finishing_) End();
      return;
    case SendQueue::Outcome::kBlocked:
      return AwaitWritable();
    case SendQueue::Outcome::kQuota:
      return TouchThis();
    case SendQueue::Outcome::kSocketError:
      return Fail(strerror(unsent_.error_number()));
    case SendQueue::Outcome::kCold:
    case SendQueue::Outcome::kFileChanged:
      return Fail("a frame with a piece of a file");
  }
}

void FrameLink::AwaitWritable() {
  awaits_writable_ = true;
  socket_.async_wait(
      tcp::socket::wait_write,
      InTurn([](FrameLink* link, const asio::error_code& error) {
        link->awaits_writable_ = false;
        if (error) return link->Fail(error.message());
        link->TouchThis();
      }));
}

// --- Reading.

void FrameLink::AwaitReadable() {
  socket_.async_wait(
      tcp::socket::wait_read,
      InTurn([](FrameLink* link, const asio::error_code& error) {
        if (error) return link->Fail(error.message());
        link->Read();
      }));
}

void FrameLink::Read() {
  for (int64_t quota = kReadQuota; quota > 0;) {
    const FrameReader::ReadTarget target =
        reader_.Target(loop_->scratch(), Loop::kScratchBytes);
    const ssize_t n = transport_->Read(target.parts, target.count);
    const int error = errno;
    reader_.Received(n > 0 ? static_cast<size_t>(n) : 0);
    if (n == 0) return Fail("the peer hung up");
    if (n < 0 && error != EAGAIN && error != EWOULDBLOCK) {
      return Fail(strerror(error));
    }
    if (n < 0) break;
    TakeFrames();
    if (ended_) return;
    // A short read says what another one would.
    if (static_cast<size_t>(n) < target.size) break;
    quota -= n;
  }
  reader_.LetGo();
  AwaitReadable();
}

void FrameLink::TakeFrames() {
  while (!ended_) {
    switch (reader_.Next()) {
      case FrameReader::Step::kMore:
        return;
      case FrameReader::Step::kLength:
        reader_.Begin(std::shared_ptr<char>(new char[reader_.length()],
                                            std::default_delete<char[]>()));
        break;
      case FrameReader::Step::kFrame:
        TakeFrame();
        break;
      case FrameReader::Step::kBadLength:
        return Fail(fmt::format("a frame of {} bytes", reader_.length()));
    }
  }
}

void FrameLink::TakeFrame() {
  Bytes frame = reader_.TakeFrame();
  if (!finishing_) handler_.on_frame(std::move(frame));
}

// --- Ending.

void FrameLink::Fail(std::string why) {
  if (ended_) return;
  End();
  // Not here: this may be the owner's Send, or the end of a turn.
  asio::post(loop_->io(), [self = shared_from_this(), why = std::move(why)] {
    Loop::Turn turn(self->loop_);
    auto closed = std::exchange(self->handler_.on_closed, nullptr);
    self->handler_.on_frame = nullptr;
    if (closed) closed(why);
  });
}

void FrameLink::Close() {
  End();
  handler_.on_closed = nullptr;
}

void FrameLink::Finish() {
  if (transport_ == nullptr) return Close();
  finishing_ = true;
  handler_.on_closed = nullptr;
  TouchThis();
}

void FrameLink::End() {
  if (std::exchange(ended_, true)) return;
  resolver_.cancel();
  deadline_.cancel();
  asio::error_code ignored;
  socket_.close(ignored);
}

}  // namespace sillok::net
