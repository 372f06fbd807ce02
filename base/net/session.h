// One connection on its loop thread: reads frames, orders replies, writes.
#ifndef SILLOK_BASE_NET_SESSION_H_
#define SILLOK_BASE_NET_SESSION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "asio/posix/stream_descriptor.hpp"
#include "asio/steady_timer.hpp"
#include "base/net/connection.h"
#include "base/net/frame_reader.h"
#include "base/net/loop.h"
#include "base/net/reply_order.h"
#include "base/net/request_memory.h"
#include "base/net/send_queue.h"
#include "base/net/server_state.h"
#include "base/net/transport.h"

namespace sillok::net {

// What the turns of a loop have moved; handed to the metrics at their end.
struct Traffic {
  int64_t requests = 0;
  int64_t received = 0;
  int64_t sent = 0;
  int64_t sendfile = 0;
};

// The public calls come from any thread; all else from the loop thread, inside a
// turn. Nothing is closed and no frame is handed out inside a call from the
// protocol: that happens in Settle, which also writes once for all answers of
// the turn.
//
// A session that has nothing to do but to wait for its peer and for the answer to
// one request is lent: whoever has that answer, on any thread, borrows the session
// and writes it to the socket, without waking the loop. The loop takes the session
// back before it touches it, and waits for a borrower, who only writes and never
// blocks.
//
// Life: open -> (closing: answers up to the last one go out -> lingering: our
// side is shut, what still comes is thrown away, so that the peer is sure to
// read the last answer) -> closed. Any error goes straight to closed.
class Session final : public Connection,
                      public Settled,
                      public std::enable_shared_from_this<Session> {
 public:
  // `on_closed` takes the session off its owner's list.
  Session(std::shared_ptr<ServerState> server, std::shared_ptr<Loop> loop,
          ConnectionInfo info, Traffic* traffic,
          std::function<void(Session*)> on_closed);
  ~Session();

  // --- Any thread.
  const ConnectionInfo& info() const override { return info_; }
  void Send(OutFrame frame) override;
  void Close(std::string why) override;
  void Finish(std::string why) override;
  void PauseReading(int64_t ms) override;
  void ReadOn() override;
  void Post(std::function<void()> task) override;
  Loop* loop() const { return loop_.get(); }
  // The answer to the one open request, if the session can be borrowed for it.
  // False: nothing was done, and `answer` is as it was.
  bool AnswerHere(Answer* answer);

  // --- Loop thread.
  // The socket is ours from here on.
  void Start(int socket);
  void PutAnswer(uint64_t slot, Answer answer);
  // For the reply whose last reference went without an answer.
  void PutNoAnswer();
  // Reads no more and ends when all answers are out.
  void Drain();
  // Ends at the end of this turn; the first reason counts.
  void RequestClose(CloseReason reason, std::string detail);
  void Tick(int64_t now_ms);
  void Settle() override;

 private:
  enum class State { kOpen, kClosing, kLingering, kClosed };
  // Who may touch what is below.
  enum Lending : int {
    kKept,      // the loop
    kLent,      // nobody: the loop takes it back, others borrow it
    kBorrowed,  // a borrower
  };
  struct CloseRequest {
    CloseReason reason;
    std::string detail;
  };

  void Act(std::function<void()> task);
  void PostInOrder(std::function<void()> task);

  // Lending.
  bool MayLend() const;
  void Lend();
  void TakeBack();

  void TouchThis();

  // Reading.
  bool MayDeliver() const;
  void Deliver();
  void DeliverBadLength();
  void DeliverFrame();
  bool TakeMemory();
  void ReadSome();
  bool ReadOnce(int64_t* quota);
  void AwaitReadable();
  void OnReadable();
  void PeerClosed();
  ReplyPtr MakeReply(bool last);

  // Writing.
  void TakeAnswers();
  void AppendFrame(OutFrame frame);
  void WriteSome();
  void AwaitWritable();
  void ReadCold();

  // Ending.
  void LookAfterTimeouts(int64_t now_ms);
  bool IsDone() const;
  void BeginLinger();
  void ThrowAway();
  void EndHandler(CloseReason reason);
  void CloseNow(CloseReason reason, const std::string& detail);
  void SetDeadline(int64_t ms, CloseReason reason);

  const std::shared_ptr<ServerState> server_;
  const std::shared_ptr<Loop> loop_;
  const ConnectionInfo info_;
  Traffic* const traffic_;
  const std::function<void(Session*)> on_closed_;
  std::optional<asio::posix::stream_descriptor> socket_;  // until closed
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<FrameHandler> handler_;

  std::atomic<int> lending_{kKept};
  // Handed to the loop by Send and its like, and not run yet: an answer must not
  // overtake them.
  std::atomic<int> posted_{0};
  Traffic borrowed_;  // what borrowers have sent, not in `traffic_` yet

  State state_ = State::kOpen;
  bool touched_ = false;
  bool draining_ = false;
  std::optional<CloseRequest> close_request_;
  CloseReason end_reason_ = CloseReason::kHandler;  // of a close in good order
  std::string end_detail_;

  FrameReader reader_;
  bool awaits_readable_ = false;
  bool socket_drained_ = false;  // as far as we know, nothing is to be read
  bool frames_unread_ = false;   // the reader may have a frame for us
  bool last_slot_open_ = false;  // the reply to it ends the connection
  std::optional<int32_t> bad_length_;  // the beginning of its frame is awaited
  bool peer_closed_ = false;
  std::optional<RequestMemory::Ticket> memory_ticket_;
  bool memory_granted_ = false;
  bool waits_for_memory_ = false;
  int64_t paused_until_ms_ = 0;
  std::optional<asio::steady_timer> pause_timer_;
  int64_t last_read_ms_ = 0;

  ReplyOrder replies_;
  SendQueue unsent_;
  bool awaits_writable_ = false;
  bool reads_cold_ = false;
  int64_t last_write_ms_ = 0;  // progress, or from empty to not empty
  std::optional<asio::steady_timer> deadline_;
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_SESSION_H_
