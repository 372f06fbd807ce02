#include "test/coordinator/linearizability/client.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

#include "fmt/format.h"

namespace sillok::linearizability {
namespace {

using zk::Op;

constexpr int kAnswerMs = 1'500;
constexpr int kConnectMs = 1'000;
constexpr int kSessionMs = 4'000;

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string PathOf(int32_t key) { return fmt::format("/lin/k{}", key); }

int32_t KeyOf(const std::string& path) {
  return std::atoi(path.c_str() + std::string("/lin/k").size());
}

Op PathOp(int32_t code, const std::string& path) {
  Op op;
  op.op = code;
  op.path = path;
  return op;
}

}  // namespace

Client::Client(int number, Work* work)
    : number_(number),
      work_(work),
      random_(static_cast<uint64_t>(number) * 7919 + 1),
      server_(static_cast<size_t>(number)) {}

void Client::Violation(const std::string& what) {
  violations_.push_back(fmt::format("client {} session {:x}: {}", number_,
                                    static_cast<uint64_t>(session_), what));
}

void Client::Run() {
  while (!work_->stop) {
    const int64_t turn = work_->begun.fetch_add(1);
    if (turn >= work_->operations) return;
    const auto key = static_cast<int32_t>(
        turn / (work_->operations_per_key * work_->keys_at_once) *
            work_->keys_at_once +
        Below(work_->keys_at_once));
    while (!EnsureSession()) {
      if (work_->stop) return;
    }
    if (Below(200) == 0) CheckEphemeral();
    if (Below(6000) == 0) Desert();
    if (connection_.open()) DoOne(key);
  }
}

void Client::Drop() {
  connection_.Close();
  watches_.clear();
}

// What a client that dies, or sleeps too long, does to its session.
void Client::Desert() {
  Drop();
  if (Below(2) == 0) {
    session_ = 0;
    ephemeral_.clear();
    return;
  }
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::milliseconds(2 * kSessionMs);
  while (!work_->stop && work_->begun < work_->operations &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

bool Client::EnsureSession() {
  if (connection_.open()) return true;
  server_ = (server_ + 1) % work_->servers.size();
  zk::ConnectRequest request;
  request.timeout_ms = kSessionMs;
  request.last_zxid_seen = last_zxid_;
  request.session_id = session_;
  if (session_ != 0) request.password = password_;
  auto response =
      connection_.Connect(work_->servers[server_], request, kConnectMs);
  if (!response.has_value()) {
    // Not there, or behind what the session has seen.
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return false;
  }
  if (response->timeout_ms <= 0) {
    OnExpired();
    return false;
  }
  if (session_ != 0) {
    ++reattached_;
    if (response->session_id != session_) Violation("got another session");
    return true;
  }
  session_ = response->session_id;
  password_ = response->password;
  Op create = PathOp(zk::kCreate, fmt::format("/lin-e/{:x}", session_));
  create.flags = 1;
  auto answer = Ask(create);
  if (answer.has_value() && answer->header.error == zk::kOk) {
    ephemeral_ = *create.path;
  }
  return connection_.open();
}

// The members know that the session has ended, so its ephemeral is gone for
// everyone who has seen as much: looked at by the next session, after a sync.
void Client::OnExpired() {
  ++expired_;
  Drop();
  const std::string orphan = std::exchange(ephemeral_, "");
  session_ = 0;
  if (orphan.empty() || !EnsureSession()) return;
  auto sync = Ask(PathOp(zk::kSync, "/lin-e"));
  auto found = sync.has_value() ? Ask(PathOp(zk::kExists, orphan)) : sync;
  if (found.has_value() && found->header.error == zk::kOk) {
    Violation(orphan + " outlives its session");
  }
}

void Client::CheckEphemeral() {
  if (ephemeral_.empty()) return;
  auto found = Ask(PathOp(zk::kExists, ephemeral_));
  if (found.has_value() && found->header.error == zk::kNoNode) {
    Violation(ephemeral_ + " is gone while its session lives");
  }
}

bool Client::Send(int32_t xid, const Op& op) {
  if (connection_.SendFrame(zk::EncodeRequest(xid, op))) return true;
  Drop();
  return false;
}

std::optional<Client::Answer> Client::Receive(int32_t xid) {
  std::string frame;
  while (connection_.open()) {
    if (connection_.ReceiveFrame(kAnswerMs, &frame) !=
        zk::Connection::Outcome::kFrame) {
      break;
    }
    zk::Reader reader(frame);
    const zk::ReplyHeader header = zk::ReadReplyHeader(&reader);
    if (header.xid == zk::kXidNotification) {
      OnEvent(&reader);
      continue;
    }
    if (header.xid != xid) {
      Violation(fmt::format("xid {} instead of {}", header.xid, xid));
      break;
    }
    if (header.error == zk::kSessionMoved ||
        header.error == zk::kSessionExpired ||
        header.error == zk::kConnectionLoss) {
      break;
    }
    if (header.zxid > 0) last_zxid_ = std::max(last_zxid_, header.zxid);
    return Answer{header, frame.substr(zk::kReplyHeaderSize)};
  }
  Drop();
  return std::nullopt;
}

std::optional<Client::Answer> Client::Ask(const Op& op) {
  const int32_t xid = next_xid_++;
  if (!Send(xid, op)) return std::nullopt;
  return Receive(xid);
}

void Client::OnEvent(zk::Reader* reader) {
  const int32_t type = reader->Int();
  reader->Int();
  const std::string path = reader->String();
  ++fired_;
  if (watches_.erase(KeyOf(path)) == 0) {
    Violation(fmt::format("event {} of {} that is not watched", type, path));
  }
}

Op Client::ToRequest(const Operation& op, bool watch) const {
  Op request = PathOp(zk::kGetData, PathOf(op.key));
  request.data = std::to_string(op.value);
  request.version = op.expected_version;
  switch (op.action) {
    case Action::kCreate:
      request.op = zk::kCreate2;
      break;
    case Action::kSet:
      request.op = zk::kSetData;
      break;
    case Action::kDelete:
      request.op = zk::kDelete;
      break;
    default:
      request.watch = watch;
      break;
  }
  return request;
}

void Client::DoOne(int32_t key) {
  Operation op;
  op.client = number_;
  op.key = key;
  op.session = session_;
  op.value = int64_t{number_} << 40 | next_value_++;
  const int kind = Below(100);
  op.action = kind < 12   ? Action::kCreate
              : kind < 45 ? Action::kSet
              : kind < 52 ? Action::kDelete
              : kind < 75 ? Action::kRead
                          : Action::kSyncRead;
  if (op.action == Action::kSet || op.action == Action::kDelete) {
    auto it = versions_.find(key);
    if (it != versions_.end() && Below(2) == 0) op.expected_version = it->second;
  }
  const bool watch = !IsWrite(op) && Below(4) == 0 && watches_.count(key) == 0;
  op.called_ns = NowNs();
  bool sent = true;
  int32_t sync_xid = 0;
  if (op.action == Action::kSyncRead) {
    sync_xid = next_xid_++;
    sent = Send(sync_xid, PathOp(zk::kSync, PathOf(key)));
  }
  const int32_t xid = next_xid_++;
  sent = sent && Send(xid, ToRequest(op, watch));
  std::optional<Answer> answer;
  if (sent && (sync_xid == 0 || Receive(sync_xid).has_value())) {
    answer = Receive(xid);
  }
  if (answer.has_value() && watch && answer->header.error == zk::kOk) {
    zk::Reader reader(answer->body);
    reader.Bytes();
    watches_[key] = reader.ReadStat().mzxid;
  }
  Finish(op, answer);
}

void Client::Finish(Operation op, const std::optional<Answer>& answer) {
  op.returned_ns = NowNs();
  if (answer.has_value()) {
    op.reply_zxid = answer->header.zxid;
    zk::Reader reader(answer->body);
    switch (answer->header.error) {
      case zk::kOk:
        op.outcome = Outcome::kOk;
        break;
      case zk::kNoNode:
        op.outcome = Outcome::kNoNode;
        break;
      case zk::kNodeExists:
        op.outcome = Outcome::kNodeExists;
        break;
      case zk::kBadVersion:
        op.outcome = Outcome::kBadVersion;
        break;
      default:
        Violation(fmt::format("error {}", answer->header.error));
        return;
    }
    if (op.outcome == Outcome::kOk && op.action != Action::kDelete) {
      if (!IsWrite(op)) op.value = std::atoll(reader.String().c_str());
      if (op.action == Action::kCreate) reader.String();
      const zk::Stat stat = reader.ReadStat();
      op.czxid = stat.czxid;
      op.mzxid = stat.mzxid;
      op.version = stat.version;
      versions_[op.key] = stat.version;
      if (!reader.ok()) Violation("an answer that is cut short");
    }
    if (IsWrite(op) && op.outcome == Outcome::kOk) ++work_->acknowledged;
    CheckWatch(op);
  }
  if (versions_.size() > 64) versions_.erase(versions_.begin());
  history_.push_back(op);
}

// A reply must not show a change whose event has not come.
void Client::CheckWatch(const Operation& op) {
  auto it = watches_.find(op.key);
  if (it == watches_.end() || op.outcome == Outcome::kBadVersion) return;
  const bool changed =
      op.outcome == Outcome::kNoNode
          ? !IsWrite(op)
          : op.outcome == Outcome::kOk &&
                (op.action == Action::kDelete || op.mzxid != it->second);
  if (changed) Violation("a change before its event: " + Describe(op));
}

bool Client::ReadAll(int32_t from, int32_t to) {
  for (int32_t key = from; key < to; ++key) {
    for (int attempt = 0;; ++attempt) {
      if (attempt == 1000) return false;
      if (!EnsureSession()) continue;
      Operation op;
      op.client = number_;
      op.key = key;
      op.session = session_;
      op.action = Action::kSyncRead;
      op.called_ns = NowNs();
      if (!Ask(PathOp(zk::kSync, PathOf(key))).has_value()) continue;
      auto answer = Ask(ToRequest(op, /*watch=*/false));
      if (!answer.has_value()) continue;
      Finish(op, answer);
      break;
    }
  }
  return true;
}

void Client::Close() {
  if (session_ != 0 && EnsureSession()) {
    (void)Ask(PathOp(zk::kCloseSession, "/"));
  }
  Drop();
}

}  // namespace sillok::linearizability
