#include "coordinator/zookeeper/door.h"

#include <utility>

#include "base/bytes.h"
#include "coordinator/zookeeper/wire_session.h"

namespace sillok::coord {
namespace {

// What of a frame that is too long tells whose error it is: the header.
constexpr int32_t kHeaderBytes = 8;
// What `stmk` is followed by.
constexpr int32_t kTraceMaskBytes = 8;

// The four bytes that stand where a length should be, as letters; "" when one
// of them is none.
std::string WordOf(int32_t length) {
  std::string word(4, '\0');
  auto bits = static_cast<uint32_t>(length);
  for (size_t i = 4; i-- > 0; bits >>= 8) {
    word[i] = static_cast<char>(bits & 0xff);
    if (word[i] < 'a' || word[i] > 'z') return "";
  }
  return word;
}

net::OutFrame RawText(std::string text) {
  return net::OutFrame::Raw(Bytes::FromString(std::move(text)));
}

}  // namespace

// Owned by its network session; the door knows it until it is destroyed.
class ZookeeperDoor::Connection final : public net::FrameHandler {
 public:
  Connection(ZookeeperDoor* door, std::shared_ptr<net::Connection> connection)
      : door_(door),
        id_(kIdRange | ++door->last_id_),
        connection_(std::move(connection)),
        wire_(door->options_.max_unanswered) {
    door_->connections_.emplace(id_, this);
    clients().on_connection(id_, connection_->info().peer_host);
  }
  ~Connection() override { door_->connections_.erase(id_); }

  bool WantsReplies() const override { return false; }

  bool WantsFrame() const override {
    if (wire_.WantsFrame() && clients().wants_requests(id_)) return true;
    // The next message to this client is the time to ask again. If none is to
    // come it is the member as a whole that has enough: see EndTurn.
    paused_ = true;
    if (!wire_.ended() && !wire_.awaits_message() &&
        !std::exchange(polled_, true)) {
      door_->polled_.push_back(id_);
    }
    return false;
  }

  void OnFrame(Bytes frame, net::ReplyPtr) override {
    had_frame_ = true;
    std::string scratch;
    std::optional<v1::SessionRequest> request =
        wire_.OnFrame(frame.Flat(&scratch));
    if (request.has_value()) clients().on_request(id_, *std::move(request));
    MarkIfDirty();
  }

  int32_t BytesOfBadFrame(int32_t length) const override {
    std::string word = had_frame_ ? "" : WordOf(length);
    if (word == "stmk") return kTraceMaskBytes;
    return word.empty() && length > 0 ? kHeaderBytes : 0;
  }

  void OnBadLength(int32_t length, net::ReplyPtr reply) override {
    AnswerWord(length, "", std::move(reply));
  }

  void OnBadFrame(int32_t length, Bytes beginning,
                  net::ReplyPtr reply) override {
    std::string text = beginning.ToString();
    if (!had_frame_ && !WordOf(length).empty()) {
      return AnswerWord(length, text, std::move(reply));
    }
    wire_.OnOversizeFrame(text);
    last_reply_ = std::move(reply);  // the wire's answer waits for its turn
    MarkIfDirty();
  }

  void OnClose(net::CloseReason) override { clients().on_disconnect(id_); }

  void Send(const v1::SessionResponse& message) {
    wire_.OnMessage(message);
    MarkIfDirty();
  }
  void End() {
    wire_.OnEnd();
    MarkIfDirty();
  }
  void Flush() {
    dirty_ = false;
    if (wire_.has_bytes()) connection_->Send(RawText(wire_.TakeBytes()));
    if (!wire_.ended()) {
      if (paused_) ReadOn();
      return;
    }
    if (last_reply_ != nullptr) {
      last_reply_->Close(wire_.why());
      last_reply_ = nullptr;
    } else {
      connection_->Finish(wire_.why());
    }
  }
  void AskAgain() {
    polled_ = false;
    if (paused_) ReadOn();
  }
  const std::string& peer() const { return connection_->info().peer; }

 private:
  const ClientHandler& clients() const { return door_->handler_.clients; }

  void ReadOn() {
    if (!WantsFrame()) return;
    paused_ = false;
    connection_->ReadOn();
  }

  void MarkIfDirty() {
    if (dirty_ || (!wire_.has_bytes() && !wire_.ended())) return;
    dirty_ = true;
    door_->dirty_.push_back(id_);
  }

  void AnswerWord(int32_t length, std::string_view argument,
                  net::ReplyPtr reply) {
    std::string word = had_frame_ ? "" : WordOf(length);
    std::optional<std::string> text;
    if (!word.empty()) text = door_->handler_.answer_word(word, argument);
    if (!text.has_value()) return reply->Close("a frame of bad length");
    reply->SendAndClose(RawText(*std::move(text)));
  }

  ZookeeperDoor* const door_;
  const ConnectionId id_;
  const std::shared_ptr<net::Connection> connection_;
  WireSession wire_;
  net::ReplyPtr last_reply_;  // to the frame that was too long
  bool had_frame_ = false;
  bool dirty_ = false;           // in dirty_ of the door
  mutable bool paused_ = false;  // refused a frame
  mutable bool polled_ = false;  // in polled_ of the door
};

absl::StatusOr<std::unique_ptr<ZookeeperDoor>> ZookeeperDoor::Start(
    ZookeeperDoorOptions options, std::shared_ptr<net::Loop> loop,
    Handler handler) {
  std::unique_ptr<ZookeeperDoor> door(
      new ZookeeperDoor(options, std::move(handler)));
  net::FrameServerOptions server;
  server.name = "zookeeper";
  server.listeners = {{"ZOOKEEPER", options.host, options.port}};
  server.loop = std::move(loop);
  server.tcp_congestion = options.tcp_congestion;
  server.max_frame_bytes = options.max_frame_bytes;
  server.max_request_memory_bytes = options.max_request_memory_bytes;
  server.max_connections_per_ip = options.max_connections_per_ip;
  server.idle_timeout_ms = options.idle_timeout_ms;
  // A client that takes nothing does not ping either: its session is dead.
  server.write_stall_timeout_ms = options.idle_timeout_ms;
  server.cold_read_threads = 0;
  server.metrics = options.metrics;
  absl::StatusOr<std::unique_ptr<net::FrameServer>> started =
      net::FrameServer::Start(
          std::move(server),
          [door = door.get()](
              const std::shared_ptr<net::Connection>& connection) {
            return std::make_unique<Connection>(door, connection);
          });
  if (!started.ok()) return started.status();
  door->server_ = *std::move(started);
  return door;
}

ZookeeperDoor::~ZookeeperDoor() = default;

int ZookeeperDoor::port() const { return server_->port(); }

void ZookeeperDoor::Stop(int64_t drain_ms) { server_->Stop(drain_ms); }

ZookeeperDoor::Connection* ZookeeperDoor::Find(ConnectionId id) const {
  auto it = connections_.find(id);
  return it == connections_.end() ? nullptr : it->second;
}

void ZookeeperDoor::Send(ConnectionId id,
                         const v1::SessionResponse& message) {
  if (Connection* connection = Find(id)) connection->Send(message);
}

void ZookeeperDoor::End(ConnectionId id, StreamEnd) {
  if (Connection* connection = Find(id)) connection->End();
}

void ZookeeperDoor::EndTurn() {
  for (ConnectionId id : std::exchange(dirty_, {})) {
    if (Connection* connection = Find(id)) connection->Flush();
  }
  // Who has to wait on puts itself on the list again.
  for (ConnectionId id : std::exchange(polled_, {})) {
    if (Connection* connection = Find(id)) connection->AskAgain();
  }
}

std::string ZookeeperDoor::PeerOf(ConnectionId id) const {
  Connection* connection = Find(id);
  return connection == nullptr ? "" : connection->peer();
}

}  // namespace sillok::coord
