#include "base/net/session.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok::net {
namespace {

// Per connection and turn, so that no connection holds up the others.
constexpr int64_t kReadQuota = 512 << 10;
constexpr int64_t kWriteQuota = 1 << 20;
// How long we wait for the peer to read the last answer.
constexpr int64_t kLingerMs = 500;
// What a borrower sends at most: more is not worth its time.
constexpr int64_t kBorrowedBytes = 16 << 10;

class ReplyImpl final : public Reply,
                        public LoopItem,
                        public std::enable_shared_from_this<ReplyImpl> {
 public:
  ReplyImpl(std::shared_ptr<Session> session, uint64_t slot, bool last)
      : session_(std::move(session)), slot_(slot), last_(last) {}
  ~ReplyImpl() {
    if (answered_.load(std::memory_order_relaxed)) return;
    session_->loop()->Post(
        [session = std::move(session_)] { session->PutNoAnswer(); });
  }

  void Send(OutFrame frame) override { Put({std::move(frame), false, ""}); }
  void SendNothing() override { Put({std::nullopt, false, ""}); }
  void SendAndClose(OutFrame frame) override {
    Put({std::move(frame), true, ""});
  }
  void Close(std::string why) override {
    Put({std::nullopt, true, std::move(why)});
  }

  void RunOnLoop() override {
    std::shared_ptr<ReplyImpl> self = std::move(self_);
    session_->PutAnswer(slot_, std::move(answer_));
  }
  void DropFromLoop() override { self_.reset(); }

 private:
  void Put(Answer answer) {
    if (answered_.exchange(true, std::memory_order_relaxed)) {
      LOG(DFATAL) << "a second answer to one request: peer="
                  << session_->info().peer;
      return;
    }
    answer.close |= last_;
    if (session_->loop()->MayActHere()) {
      session_->PutAnswer(slot_, std::move(answer));
      return;
    }
    if (session_->AnswerHere(&answer)) return;
    answer_ = std::move(answer);
    self_ = shared_from_this();
    if (!session_->loop()->Push(this)) self_.reset();
  }

  std::shared_ptr<Session> session_;
  const uint64_t slot_;
  const bool last_;  // the connection ends after it, whatever it is
  std::atomic<bool> answered_{false};
  Answer answer_;                    // on its way to the loop
  std::shared_ptr<ReplyImpl> self_;  // the inbox holds it by this
};

// Brings a part of a file into the page cache. What goes wrong is found by who
// sends it.
void ReadThrough(const FilePiece& piece) {
  constexpr int64_t kStep = 128 << 10;
  static thread_local std::unique_ptr<char[]> memory(new char[kStep]);
  for (int64_t done = 0; done < piece.length;) {
    auto size = static_cast<size_t>(std::min(kStep, piece.length - done));
    ssize_t n = pread(piece.fd, memory.get(), size, piece.position + done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    done += n;
  }
}

}  // namespace

Session::Session(std::shared_ptr<ServerState> server,
                 std::shared_ptr<Loop> loop, ConnectionInfo info, Traffic* traffic,
                 std::function<void(Session*)> on_closed)
    : server_(std::move(server)),
      loop_(std::move(loop)),
      info_(std::move(info)),
      traffic_(traffic),
      on_closed_(std::move(on_closed)),
      socket_(loop_->io()),
      reader_(server_->options.max_frame_bytes),
      last_read_ms_(loop_->now_ms()),
      last_write_ms_(loop_->now_ms()) {}

Session::~Session() { CHECK(!socket_.has_value()) << "not closed"; }

// ---- Any thread.

void Session::Send(OutFrame frame) {
  if (loop_->MayActHere()) {
    AppendFrame(std::move(frame));
    return;
  }
  PostInOrder([self = shared_from_this(), frame = std::move(frame)]() mutable {
    self->AppendFrame(std::move(frame));
  });
}

void Session::Close(std::string why) {
  Act([self = shared_from_this(), why = std::move(why)] {
    self->RequestClose(CloseReason::kHandler, why);
  });
}

void Session::Finish(std::string why) {
  Act([self = shared_from_this(), why = std::move(why)] {
    self->TakeBack();
    if (self->state_ != State::kOpen) return;
    self->state_ = State::kClosing;
    self->end_detail_ = why;
    self->replies_.Clear();
    self->TouchThis();
  });
}

void Session::PauseReading(int64_t ms) {
  if (ms <= 0) return;
  int64_t until = Clock::Real().MonotonicMs() + ms;
  Act([self = shared_from_this(), until] {
    self->TakeBack();
    if (self->state_ != State::kOpen || until <= self->paused_until_ms_) return;
    self->paused_until_ms_ = until;
    auto& timer = self->pause_timer_;
    if (!timer.has_value()) timer.emplace(self->loop_->io());
    timer->expires_after(
        std::chrono::milliseconds(until - Clock::Real().MonotonicMs()));
    timer->async_wait([self](const asio::error_code& error) {
      if (error) return;
      Loop::Turn turn(self->loop_.get());
      self->TouchThis();
    });
  });
}

void Session::ReadOn() {
  Act([self = shared_from_this()] { self->TouchThis(); });
}

void Session::Post(std::function<void()> task) {
  loop_->Post([self = shared_from_this(), task = std::move(task)] {
    if (self->handler_ != nullptr) task();
  });
}

void Session::Act(std::function<void()> task) {
  if (loop_->MayActHere()) {
    task();
  } else {
    PostInOrder(std::move(task));
  }
}

void Session::PostInOrder(std::function<void()> task) {
  posted_.fetch_add(1, std::memory_order_acq_rel);
  loop_->Post([self = shared_from_this(), task = std::move(task)] {
    self->posted_.fetch_sub(1, std::memory_order_acq_rel);
    task();
  });
}

// ---- Lending.

bool Session::MayLend() const {
  return awaits_readable_ && !frames_unread_ && !peer_closed_ && !touched_ &&
         replies_.size() == 1 && unsent_.empty() && !awaits_writable_ &&
         !reads_cold_ && MayDeliver();
}

void Session::Lend() { lending_.store(kLent, std::memory_order_release); }

// Loop thread.
void Session::TakeBack() {
  int seen = lending_.load(std::memory_order_acquire);
  while (seen != kKept) {
    if (seen == kBorrowed) {
      lending_.wait(kBorrowed, std::memory_order_acquire);
      seen = lending_.load(std::memory_order_acquire);
    } else if (lending_.compare_exchange_weak(seen, kKept,
                                              std::memory_order_acq_rel,
                                              std::memory_order_acquire)) {
      break;
    }
  }
  traffic_->sent += std::exchange(borrowed_.sent, 0);
  traffic_->sendfile += std::exchange(borrowed_.sendfile, 0);
}

bool Session::AnswerHere(Answer* answer) {
  if (answer->close || !answer->frame.has_value() ||
      answer->frame->size() > kBorrowedBytes ||
      posted_.load(std::memory_order_acquire) != 0) {
    return false;
  }
  int lent = kLent;
  if (lending_.load(std::memory_order_relaxed) != kLent ||
      !Loop::MayActForOthers() ||
      !lending_.compare_exchange_strong(lent, kBorrowed,
                                        std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
    return false;
  }
  // Of its own: a loop's scratch may hold the frame that is being worked on.
  static thread_local std::unique_ptr<char[]> scratch(
      new char[Loop::kScratchBytes]);
  replies_.Clear();  // the one slot, which this answers
  unsent_.Append(std::move(*answer->frame));
  SendQueue::Sent sent;
  const SendQueue::Outcome outcome =
      unsent_.Flush(transport_.get(), kWriteQuota, scratch.get(),
                    Loop::kScratchBytes, &sent);
  last_write_ms_ = Clock::Real().MonotonicMs();
  borrowed_.sent += sent.bytes;
  borrowed_.sendfile += sent.by_sendfile;
  // What could not be sent, for whatever reason, is found again by the loop.
  const bool done = outcome == SendQueue::Outcome::kEmpty;
  lending_.store(done ? kLent : kKept, std::memory_order_release);
  lending_.notify_one();
  if (!done) {
    loop_->Post([self = shared_from_this()] { self->TouchThis(); });
  }
  return true;
}

// ---- Loop thread.

void Session::Start(int socket) {
  asio::error_code error;
  socket_->assign(socket, error);
  if (error) {
    close(socket);
    RequestClose(CloseReason::kSocketError, error.message());
    return;
  }
  transport_ = MakePlainTransport(socket);
  handler_ = server_->factory(shared_from_this());
  CHECK(handler_ != nullptr) << "no handler for listener " << info_.listener;
  TouchThis();
}

void Session::TouchThis() {
  TakeBack();
  if (touched_ || state_ == State::kClosed) return;
  touched_ = true;
  loop_->Touch(shared_from_this());
}

void Session::RequestClose(CloseReason reason, std::string detail) {
  TakeBack();
  if (close_request_.has_value()) return;
  close_request_ = {reason, std::move(detail)};
  TouchThis();
}

void Session::Settle() {
  TakeBack();
  touched_ = false;
  if (state_ == State::kClosed) return;
  if (!close_request_.has_value()) WriteSome();
  if (close_request_.has_value()) {
    CloseRequest request = *std::exchange(close_request_, std::nullopt);
    CloseNow(request.reason, request.detail);
    return;
  }
  if (state_ == State::kLingering) {
    if (socket_drained_) AwaitReadable();
    return;
  }
  if (IsDone()) {
    BeginLinger();
    return;
  }
  if (!MayDeliver()) return;
  bool readable = !socket_drained_ && !awaits_readable_ && !peer_closed_;
  if (frames_unread_ || readable) {
    ReadSome();
    TouchThis();  // what came of it is settled in the next round
    return;
  }
  if (!peer_closed_) AwaitReadable();
  if (MayLend()) Lend();
}

void Session::Tick(int64_t now_ms) {
  TakeBack();
  LookAfterTimeouts(now_ms);
  if (MayLend()) Lend();
}

void Session::LookAfterTimeouts(int64_t now_ms) {
  const FrameServerOptions& options = server_->options;
  if (state_ == State::kClosed || state_ == State::kLingering) return;
  auto passed = [&](int64_t since, int64_t limit) {
    return limit > 0 && now_ms - since >= limit;
  };
  // What is up to us is not held against the peer.
  if (reads_cold_) last_write_ms_ = now_ms;
  bool waits_for_answer = !replies_.empty() && !reader_.inside_frame();
  if (!MayDeliver() || waits_for_answer) last_read_ms_ = now_ms;
  if (!unsent_.empty()) {
    if (passed(last_write_ms_, options.write_stall_timeout_ms)) {
      RequestClose(CloseReason::kStalled,
                   fmt::format("no byte taken for {} ms, {} bytes of memory "
                               "unsent",
                               now_ms - last_write_ms_,
                               unsent_.memory_bytes()));
    }
    return;
  }
  if (reader_.inside_frame() &&
      passed(last_read_ms_, options.read_stall_timeout_ms)) {
    RequestClose(CloseReason::kStalled,
                 fmt::format("stopped inside a frame for {} ms",
                             now_ms - last_read_ms_));
    return;
  }
  int64_t last_byte = std::max(last_read_ms_, last_write_ms_);
  if (replies_.empty() && passed(last_byte, options.idle_timeout_ms)) {
    RequestClose(CloseReason::kIdle,
                 fmt::format("idle for {} ms", now_ms - last_byte));
  }
}

// ---- Reading.

bool Session::MayDeliver() const {
  const FrameServerOptions& options = server_->options;
  return state_ == State::kOpen && !draining_ && !close_request_.has_value() &&
         !last_slot_open_ && !waits_for_memory_ &&
         replies_.size() < static_cast<size_t>(options.max_in_flight) &&
         unsent_.memory_bytes() < options.pause_reading_at_unsent_bytes &&
         (paused_until_ms_ == 0 || loop_->now_ms() >= paused_until_ms_) &&
         handler_ != nullptr && handler_->WantsFrame();
}

void Session::ReadSome() {
  int64_t quota = kReadQuota;
  Deliver();
  while (quota > 0 && !socket_drained_ && !peer_closed_ && MayDeliver()) {
    if (!ReadOnce(&quota)) break;
    Deliver();
  }
  reader_.LetGo();
}

bool Session::ReadOnce(int64_t* quota) {
  FrameReader::ReadTarget target =
      reader_.Target(loop_->scratch(), Loop::kScratchBytes);
  ssize_t n = transport_->Read(target.parts, target.count);
  int error = errno;
  reader_.Received(n > 0 ? static_cast<size_t>(n) : 0);
  if (n > 0) {
    *quota -= n;
    traffic_->received += n;
    last_read_ms_ = loop_->now_ms();
    frames_unread_ = true;
    // A short read says what another one would: spare the call.
    socket_drained_ = static_cast<size_t>(n) < target.size;
    return true;
  }
  if (n == 0) {
    PeerClosed();
  } else if (error == EAGAIN || error == EWOULDBLOCK) {
    socket_drained_ = true;
  } else {
    RequestClose(CloseReason::kSocketError, strerror(error));
  }
  return false;
}

void Session::Deliver() {
  while (frames_unread_ && MayDeliver()) {
    switch (reader_.Next()) {
      case FrameReader::Step::kMore:
        frames_unread_ = false;
        break;
      case FrameReader::Step::kLength:
        if (TakeMemory()) {
          reader_.Begin(server_->memory->MakeBuffer(reader_.length()));
        }
        break;
      case FrameReader::Step::kFrame:
        DeliverFrame();
        break;
      case FrameReader::Step::kBadLength:
        DeliverBadLength();
        break;
    }
  }
}

void Session::DeliverFrame() {
  if (bad_length_.has_value()) {
    last_slot_open_ = true;
    handler_->OnBadFrame(*bad_length_, reader_.TakeFrame(), MakeReply(true));
    return;
  }
  ++traffic_->requests;
  handler_->OnFrame(reader_.TakeFrame(), handler_->WantsReplies()
                                             ? MakeReply(false)
                                             : nullptr);
}

void Session::DeliverBadLength() {
  end_reason_ = CloseReason::kBadFrame;
  int32_t length = reader_.length();
  int32_t wanted = handler_->BytesOfBadFrame(length);
  if (wanted > 0) {
    bad_length_ = length;
    reader_.Shorten(wanted);  // comes back as a frame of so many bytes
    return;
  }
  last_slot_open_ = true;
  handler_->OnBadLength(length, MakeReply(true));
}

// For the frame whose length was read; false: reading goes on when it is there.
bool Session::TakeMemory() {
  int64_t bytes = reader_.length();
  if (std::exchange(memory_granted_, false)) return true;
  if (server_->memory->TryTake(bytes)) return true;
  waits_for_memory_ = true;
  memory_ticket_ = server_->memory->Wait(bytes, [self = shared_from_this(),
                                                 bytes] {
    self->loop_->Post([self, bytes] {
      self->memory_ticket_.reset();
      self->waits_for_memory_ = false;
      if (self->state_ == State::kClosed) {
        self->server_->memory->Release(bytes);
        return;
      }
      self->memory_granted_ = true;
      self->TouchThis();
    });
  });
  return false;
}

ReplyPtr Session::MakeReply(bool last) {
  return std::make_shared<ReplyImpl>(shared_from_this(), replies_.Open(), last);
}

void Session::AwaitReadable() {
  if (awaits_readable_) return;
  awaits_readable_ = true;
  socket_->async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](const asio::error_code&) {
                        self->OnReadable();
                      });
}

void Session::OnReadable() {
  Loop::Turn turn(loop_.get());
  TakeBack();
  if (state_ == State::kClosed) return;
  awaits_readable_ = false;
  socket_drained_ = false;
  if (state_ == State::kLingering) {
    ThrowAway();
  } else {
    ReadSome();
  }
  TouchThis();
}

void Session::PeerClosed() {
  peer_closed_ = true;
  SetDeadline(server_->options.peer_closed_grace_ms, CloseReason::kPeerClosed);
}

// ---- Writing.

void Session::PutAnswer(uint64_t slot, Answer answer) {
  TakeBack();
  if (state_ != State::kOpen) return;
  replies_.Put(slot, std::move(answer));
  TakeAnswers();
  TouchThis();
}

void Session::PutNoAnswer() {
  TakeBack();
  if (state_ != State::kOpen) return;
  RequestClose(
      draining_ ? CloseReason::kServerStopped : CloseReason::kUnanswered,
      "a request was dropped without an answer");
}

void Session::TakeAnswers() {
  while (std::optional<Answer> answer = replies_.Take()) {
    const bool raw = answer->frame.has_value() && !answer->frame->has_length();
    if (answer->frame.has_value()) AppendFrame(std::move(*answer->frame));
    if (!answer->close) continue;
    // What is answered so was no length but a word of the protocol: no news.
    if (raw) end_reason_ = CloseReason::kHandler;
    // Whatever was asked after it stays without an answer.
    state_ = State::kClosing;
    end_detail_ = std::move(answer->why);
    replies_.Clear();
  }
}

void Session::AppendFrame(OutFrame frame) {
  TakeBack();
  if (state_ != State::kOpen) return;
  if (frame.has_length() &&
      frame.size() > std::numeric_limits<int32_t>::max()) {
    RequestClose(CloseReason::kOverflow,
                 fmt::format("a frame of {} bytes to send", frame.size()));
    return;
  }
  if (unsent_.empty()) last_write_ms_ = loop_->now_ms();
  unsent_.Append(std::move(frame));
  if (unsent_.memory_bytes() > server_->options.max_unsent_bytes) {
    RequestClose(CloseReason::kOverflow,
                 fmt::format("{} bytes unsent", unsent_.memory_bytes()));
  }
  TouchThis();
}

void Session::WriteSome() {
  if (unsent_.empty() || awaits_writable_ || reads_cold_) return;
  SendQueue::Sent sent;
  SendQueue::Outcome outcome =
      unsent_.Flush(transport_.get(), kWriteQuota, loop_->scratch(),
                    Loop::kScratchBytes, &sent);
  if (sent.bytes > 0) last_write_ms_ = loop_->now_ms();
  traffic_->sent += sent.bytes;
  traffic_->sendfile += sent.by_sendfile;
  switch (outcome) {
    case SendQueue::Outcome::kEmpty:
      break;
    case SendQueue::Outcome::kBlocked:
      AwaitWritable();
      break;
    case SendQueue::Outcome::kQuota:
      TouchThis();
      break;
    case SendQueue::Outcome::kCold:
      ReadCold();
      break;
    case SendQueue::Outcome::kFileChanged:
      RequestClose(CloseReason::kFileChanged, unsent_.error());
      break;
    case SendQueue::Outcome::kSocketError:
      RequestClose(CloseReason::kSocketError, strerror(unsent_.error_number()));
      break;
  }
}

void Session::AwaitWritable() {
  awaits_writable_ = true;
  socket_->async_wait(asio::posix::stream_descriptor::wait_write,
                      [self = shared_from_this()](const asio::error_code&) {
                        Loop::Turn turn(self->loop_.get());
                        if (self->state_ == State::kClosed) return;
                        self->awaits_writable_ = false;
                        self->TouchThis();
                      });
}

void Session::ReadCold() {
  server_->metrics.cold_reads->Add();
  if (server_->cold_readers == nullptr) {
    ReadThrough(unsent_.cold());
    unsent_.SetWarm();
    TouchThis();
    return;
  }
  reads_cold_ = true;
  server_->cold_readers->Post(
      [self = shared_from_this(), piece = unsent_.cold()] {
        ReadThrough(piece);
        self->loop_->Post([self] {
          self->reads_cold_ = false;
          self->unsent_.SetWarm();
          self->TouchThis();
        });
      });
}

// ---- Ending.

void Session::Drain() {
  TakeBack();
  if (state_ == State::kLingering) return;
  draining_ = true;
  if (state_ == State::kOpen) end_reason_ = CloseReason::kServerStopped;
  // Nothing was asked, so nothing can be lost.
  if (IsDone()) RequestClose(CloseReason::kServerStopped, "");
  TouchThis();
}

// Nothing more will come in, and all that was asked is answered and sent.
bool Session::IsDone() const {
  if (!replies_.empty() || !unsent_.empty()) return false;
  return state_ == State::kClosing || draining_ ||
         (peer_closed_ && !frames_unread_);
}

void Session::BeginLinger() {
  if (peer_closed_) {
    CloseNow(state_ == State::kClosing ? end_reason_ : CloseReason::kPeerClosed,
             end_detail_);
    return;
  }
  state_ = State::kLingering;
  EndHandler(end_reason_);
  transport_->ShutdownWrite();
  SetDeadline(kLingerMs, end_reason_);
  socket_drained_ = true;
  AwaitReadable();
}

void Session::ThrowAway() {
  iovec part = {loop_->scratch(), Loop::kScratchBytes};
  for (int64_t quota = kReadQuota; quota > 0;) {
    ssize_t n = transport_->Read(&part, 1);
    if (n > 0) {
      quota -= n;
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      break;
    } else {
      RequestClose(end_reason_, end_detail_);
      return;
    }
  }
  socket_drained_ = true;  // if not, waiting for it to be readable is short
}

void Session::SetDeadline(int64_t ms, CloseReason reason) {
  if (!deadline_.has_value()) deadline_.emplace(loop_->io());
  deadline_->expires_after(std::chrono::milliseconds(ms));
  deadline_->async_wait([self = shared_from_this(), ms,
                         reason](const asio::error_code& error) {
    if (error) return;
    Loop::Turn turn(self->loop_.get());
    if (self->state_ == State::kClosed) return;
    // A peer that only ended its own side may still be taking a long answer.
    bool takes = self->state_ != State::kLingering && !self->unsent_.empty() &&
                 self->loop_->now_ms() - self->last_write_ms_ < ms;
    if (takes) {
      self->SetDeadline(ms, reason);
    } else {
      self->RequestClose(reason, self->end_detail_);
    }
  });
}

void Session::EndHandler(CloseReason reason) {
  if (handler_ == nullptr) return;
  handler_->OnClose(reason);
  handler_.reset();
}

void Session::CloseNow(CloseReason reason, const std::string& detail) {
  state_ = State::kClosed;
  socket_.reset();
  pause_timer_.reset();
  deadline_.reset();
  if (memory_ticket_.has_value()) server_->memory->Cancel(*memory_ticket_);
  memory_ticket_.reset();
  if (std::exchange(memory_granted_, false)) {
    server_->memory->Release(reader_.length());
  }
  reader_ = FrameReader(0);
  unsent_ = SendQueue();
  replies_.Clear();
  EndHandler(reason);
  server_->CountClosed(reason, info_, detail, loop_->now_ms());
  on_closed_(this);
}

}  // namespace sillok::net
