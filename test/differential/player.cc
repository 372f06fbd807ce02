#include "test/differential/player.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace sillok::differential {
namespace {

using zk::Op;

constexpr int kTimeoutMs = 20'000;
constexpr int kSessionTimeoutMs = 30'000;
constexpr int32_t kAuthFailed = -115;

std::string Hex(const std::string& text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string shown;
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte >= ' ' && byte < 0x7f) {
      shown += c;
    } else {
      shown += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return shown;
}

std::string ShownData(const std::optional<std::string>& data) {
  if (!data.has_value()) return "data null";
  return "data '" + Hex(data->substr(0, 40)) + "'(" +
         std::to_string(data->size()) + ")";
}

int32_t XidOf(const Op& op) {
  switch (op.op) {
    case zk::kPing:
      return zk::kXidPing;
    case zk::kAuth:
      return zk::kXidAuth;
    case zk::kSetWatches:
    case zk::kSetWatches2:
      return zk::kXidSetWatches;
    default:
      return 0;  // numbered
  }
}

void Sort(StepLines::iterator begin, StepLines::iterator end) {
  std::sort(begin, end, [](const Line& a, const Line& b) {
    return a.SortKey() < b.SortKey();
  });
}

bool IsWrite(const Op& op) { return Changes(op) && op.op != zk::kCloseSession; }

}  // namespace

std::string Player::Real(const std::string& path) const {
  return path.empty() || path[0] != '~' ? path : base_ + path.substr(1);
}

Op Player::Real(const Op& op) const {
  Op real = op;
  if (real.path.has_value()) real.path = Real(*real.path);
  for (Op& part : real.parts) part = Real(part);
  for (auto& list : real.watches) {
    for (std::string& path : list) path = Real(path);
  }
  return real;
}

std::string Player::Shown(const std::string& path) const {
  return Hex(path.rfind(base_, 0) == 0 ? "~" + path.substr(base_.size())
                                       : path);
}

std::string Player::Shown(std::vector<std::string> paths) const {
  std::sort(paths.begin(), paths.end());
  std::string text = "[";
  for (const std::string& path : paths) text += " " + Shown(path);
  return text + " ]";
}

Transcript Player::Play(const Script& script) {
  base_ = "/script-" + std::to_string(++played_);
  sessions_ = std::vector<Session>(kSessions);
  for (size_t i = 0; i < sessions_.size(); ++i) sessions_[i].server = i;
  Transcript transcript(1);
  for (Session& session : sessions_) Attach(&session, &transcript[0]);
  Op base;
  base.op = zk::kCreate;
  base.path = "~";
  Ask(&sessions_[0], {base}, &transcript[0]);
  for (const Step& step : script) {
    Session& session = sessions_[static_cast<size_t>(step.session)];
    StepLines lines;
    bool changes = step.kind == Step::Kind::kClose;
    if (step.kind == Step::Kind::kReattach) {
      session.connection.Close();
    }
    if (!session.connection.open()) Attach(&session, &lines);
    if (step.kind == Step::Kind::kClose) {
      Op close;
      close.op = zk::kCloseSession;
      Ask(&session, {close}, &lines);
      // The order in which a session's ephemerals go is nobody's promise.
      if (!lines.empty()) Sort(lines.begin(), lines.end() - 1);
      session = Session{.server = session.server};
    } else if (!step.ops.empty()) {
      Ask(&session, step.ops, &lines);
      changes = std::any_of(step.ops.begin(), step.ops.end(), IsWrite);
    }
    if (changes) Settle(step.session, step.kind == Step::Kind::kClose, &lines);
    transcript.push_back(std::move(lines));
  }
  transcript.emplace_back();
  for (Session& session : sessions_) {
    if (session.id == 0) continue;
    if (!session.connection.open()) Attach(&session, &transcript.back());
    Op close;
    close.op = zk::kCloseSession;
    StepLines ignored;  // what the closing of the earlier ones did
    Ask(&session, {close}, &ignored);
  }
  sessions_.clear();
  return transcript;
}

void Player::Attach(Session* session, StepLines* lines) {
  zk::ConnectRequest request;
  request.timeout_ms = kSessionTimeoutMs;
  request.session_id = session->id;
  if (session->id != 0) request.password = session->password;
  request.last_zxid_seen = session->last_zxid;
  const bool fresh = session->id == 0;
  session->server = (session->server + 1) % servers_.size();
  auto response = session->connection.Connect(servers_[session->server],
                                              request, kTimeoutMs);
  // A server that is behind what the session has seen closes without a word.
  for (int left = 100; !response.has_value() && !fresh && left > 0; --left) {
    if (servers_.size() == 1) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    response = session->connection.Connect(servers_[session->server], request,
                                           kTimeoutMs);
  }
  Line line;
  line.Text(fresh ? "opened" : "attached");
  if (!response.has_value() || response->timeout_ms <= 0) {
    line.Text(response.has_value() ? "REFUSED" : "CLOSED");
    session->connection.Close();
    session->id = 0;
  } else {
    line.Text("timeout " + std::to_string(response->timeout_ms));
    line.Session("id", response->session_id);
    line.Text(response->password.size() == 16 ? "16 bytes" : "odd password");
    if (!fresh && response->password != session->password) {
      line.Broken("another password");
    }
    session->id = response->session_id;
    session->password = response->password;
  }
  lines->push_back(std::move(line));
}

Player::Pending Player::Prepare(Session* session, const Op& op) {
  Pending pending{XidOf(op), Real(op)};
  if (pending.xid == 0) pending.xid = session->next_xid++;
  if (op.op == zk::kSetWatches || op.op == zk::kSetWatches2) {
    pending.op.relative_zxid =
        op.relative_zxid == kSinceEver       ? 0
        : op.relative_zxid == kSinceLastSeen ? session->last_zxid
                                             : INT64_MAX;
  }
  return pending;
}

void Player::Ask(Session* session, const std::vector<Op>& ops,
                 StepLines* lines) {
  if (!session->connection.open()) return;  // Attach has told why
  std::string bytes;
  std::deque<Pending> pending;
  for (const Op& op : ops) {
    pending.push_back(Prepare(session, op));
    std::string frame =
        zk::EncodeRequest(pending.back().xid, pending.back().op);
    bytes += zk::Writer()
                 .Int(static_cast<int32_t>(frame.size()))
                 .Raw(frame)
                 .bytes();
  }
  if (!session->connection.SendBytes(bytes)) {
    End(session, "closed while sending", lines);
    return;
  }
  Receive(session, std::move(pending), /*quiet=*/false, lines);
}

void Player::Receive(Session* session, std::deque<Pending> pending, bool quiet,
                     StepLines* lines) {
  while (!pending.empty()) {
    std::string frame;
    switch (session->connection.ReceiveFrame(kTimeoutMs, &frame)) {
      case zk::Connection::Outcome::kClosed:
        End(session, "CLOSED by the server", lines);
        return;
      case zk::Connection::Outcome::kTimeout:
        End(session, "NO ANSWER", lines);
        return;
      case zk::Connection::Outcome::kFrame:
        break;
    }
    bool is_reply = false;
    Line line = ReadFrame(session, frame, &pending, &is_reply);
    if (!is_reply || !quiet) lines->push_back(std::move(line));
    zk::Reader reader(frame);
    const int32_t error = zk::ReadReplyHeader(&reader).error;
    if (is_reply && (error == zk::kUnimplemented || error == kAuthFailed)) {
      AwaitEnd(session, lines);
      return;
    }
  }
}

// After some errors the server ends the connection, in its own time.
void Player::AwaitEnd(Session* session, StepLines* lines) {
  std::string frame;
  const auto outcome = session->connection.ReceiveFrame(2'000, &frame);
  if (outcome == zk::Connection::Outcome::kClosed) {
    End(session, "CLOSED by the server", lines);
  } else {
    lines->push_back(Line().Text("the connection stays"));
  }
}

void Player::End(Session* session, const std::string& why, StepLines* lines) {
  session->connection.Close();
  lines->push_back(Line().Text(why));
}

Line Player::ReadFrame(Session* session, const std::string& frame,
                       std::deque<Pending>* pending, bool* is_reply) {
  zk::Reader reader(frame);
  const zk::ReplyHeader header = zk::ReadReplyHeader(&reader);
  Line line;
  if (header.xid == zk::kXidNotification) {
    const int32_t type = reader.Int();
    const int32_t state = reader.Int();
    line.Text("event " + std::to_string(type) + " state " +
              std::to_string(state) + " " + Shown(reader.String()));
    if (header.error != 0) line.Broken("a notification with an error");
    if (header.zxid > 0 && header.zxid < session->last_zxid) {
      line.Broken("a notification older than what was seen");
    }
    return line;
  }
  *is_reply = true;
  const Pending expected = pending->front();
  pending->pop_front();
  line.About(expected.op);
  line.Text(zk::OpName(expected.op.op));
  if (header.xid != expected.xid) {
    return line.Broken("xid " + std::to_string(header.xid) + " instead of " +
                       std::to_string(expected.xid));
  }
  line.Text("error " + std::to_string(header.error));
  if (header.zxid > 0) {
    if (header.zxid < session->last_zxid) {
      line.Broken("the session's zxid goes back");
    }
    session->last_zxid = std::max(session->last_zxid, header.zxid);
  }
  if (header.error == 0) ReadBody(expected.op, header, &reader, &line);
  if (!reader.ok()) line.Broken("the body is cut short");
  if (!reader.done()) line.Broken("more bytes than the body has");
  return line;
}

void Player::ReadBody(const Op& op, const zk::ReplyHeader& header,
                      zk::Reader* reader, Line* line) const {
  auto stat_of_write = [&](int64_t zk::Stat::*zxid) {
    const zk::Stat stat = reader->ReadStat();
    line->StatOf(stat);
    if (stat.*zxid > header.zxid) line->Broken("header older than the write");
  };
  switch (op.op) {
    case zk::kCreate:
      line->Text(Shown(reader->String()));
      return;
    case zk::kCreate2:
    case zk::kCreateContainer:
    case zk::kCreateTtl:
      line->Text(Shown(reader->String()));
      stat_of_write(&zk::Stat::czxid);
      return;
    case zk::kSetData:
      stat_of_write(&zk::Stat::mzxid);
      return;
    case zk::kExists:
    case zk::kSetAcl:
      line->StatOf(reader->ReadStat());
      return;
    case zk::kGetData:
      line->Text(ShownData(reader->Bytes()));
      line->StatOf(reader->ReadStat());
      return;
    case zk::kGetAcl:
      for (const zk::Acl& acl : reader->Acls()) {
        line->Text(acl.scheme + ":" + acl.id + ":" +
                   std::to_string(acl.perms));
      }
      line->StatOf(reader->ReadStat());
      return;
    case zk::kGetChildren:
    case zk::kGetEphemerals:
      line->Text(Shown(reader->Strings()));
      return;
    case zk::kGetChildren2:
      line->Text(Shown(reader->Strings()));
      line->StatOf(reader->ReadStat());
      return;
    case zk::kSync:
      line->Text(Shown(reader->String()));
      return;
    case zk::kGetAllChildrenNumber:
    case zk::kAddWatch:
      line->Text(std::to_string(reader->Int()));
      return;
    case zk::kMulti:
    case zk::kMultiRead:
      ReadParts(header, reader, line);
      return;
    case zk::kWhoAmI: {
      std::vector<std::string> who;
      for (int32_t left = reader->Int(); left > 0 && reader->ok(); --left) {
        std::string scheme = reader->String();
        who.push_back(scheme + ":" + reader->String());
      }
      line->Text(Shown(who));
      return;
    }
    default:
      return;
  }
}

void Player::ReadParts(const zk::ReplyHeader& header, zk::Reader* reader,
                       Line* line) const {
  while (reader->ok()) {
    const int32_t type = reader->Int();
    const bool done = reader->Bool();
    const int32_t error = reader->Int();
    line->Text("| " + std::to_string(type) + " " + std::to_string(error));
    if (done) return;
    switch (type) {
      case -1:
        line->Text("code " + std::to_string(reader->Int()));
        break;
      case zk::kCreate:
        line->Text(Shown(reader->String()));
        break;
      case zk::kCreate2:
        line->Text(Shown(reader->String()));
        line->StatOf(reader->ReadStat());
        break;
      case zk::kSetData: {
        const zk::Stat stat = reader->ReadStat();
        line->StatOf(stat);
        if (stat.mzxid > header.zxid) {
          line->Broken("header older than the write");
        }
        break;
      }
      case zk::kGetData:
        line->Text(ShownData(reader->Bytes()));
        line->StatOf(reader->ReadStat());
        break;
      case zk::kGetChildren:
        line->Text(Shown(reader->Strings()));
        break;
      default:
        break;
    }
  }
}

void Player::Settle(int except, bool sorted, StepLines* lines) {
  for (int i = 0; i < kSessions; ++i) {
    Session& session = sessions_[static_cast<size_t>(i)];
    if (i == except || !session.connection.open()) continue;
    Op sync;
    sync.op = zk::kSync;
    sync.path = "~";
    Pending pending = Prepare(&session, sync);
    StepLines seen;
    if (session.connection.SendFrame(
            zk::EncodeRequest(pending.xid, pending.op))) {
      Receive(&session, {pending}, /*quiet=*/true, &seen);
    } else {
      End(&session, "closed while idle", &seen);
    }
    if (sorted) Sort(seen.begin(), seen.end());
    for (const Line& line : seen) {
      Line told;
      told.Text("session " + std::to_string(i) + " sees");
      for (const Token& token : line.tokens()) told.Text(token.text);
      lines->push_back(std::move(told));
    }
  }
}

}  // namespace sillok::differential
