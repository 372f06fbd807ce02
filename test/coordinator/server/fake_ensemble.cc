#include "test/coordinator/server/fake_ensemble.h"

#include <algorithm>

#include "coordinator/tree/ensemble_text.h"
#include "coordinator/tree/row_format.h"
#include "glog/logging.h"

namespace sillok::coord {

// --- the disk ---

std::optional<Zxid> FakeDisk::LastAtOrBefore(Zxid zxid) const {
  if (zxid < trimmed_to) return std::nullopt;
  Zxid last = trimmed_to;
  for (const zab::Entry& entry : entries) {
    if (entry.zxid > zxid) break;
    last = entry.zxid;
  }
  return last;
}

std::vector<zab::Entry> FakeDisk::Read(Zxid after, size_t max_bytes) const {
  std::vector<zab::Entry> found;
  if (after < trimmed_to) return found;
  size_t bytes = 0;
  for (const zab::Entry& entry : entries) {
    if (entry.zxid <= after) continue;
    bytes += entry.txn->size();
    if (!found.empty() && bytes > max_bytes) break;
    found.push_back(entry);
  }
  return found;
}

void FakeDisk::Persist(const zab::Persist& persist) {
  if (persist.install_snapshot.has_value()) {
    CHECK(*persist.install_snapshot == staged_zxid);
    rows = std::move(staged_rows);
    applied = trimmed_to = staged_zxid;
    entries.clear();
  }
  if (persist.truncate_after.has_value()) {
    while (!entries.empty() && entries.back().zxid > *persist.truncate_after) {
      entries.pop_back();
    }
  }
  for (const zab::Entry& entry : persist.entries) {
    CHECK(zab::IsSuccessor(LastZxid(), entry.zxid)) << entry.zxid;
    entries.push_back(entry);
  }
  if (persist.hard_state.has_value()) hard_state = *persist.hard_state;
}

void FakeDisk::Apply(const TreeRows& changed) {
  for (const TreeRow& row : changed.rows) {
    if (row.value.has_value()) {
      rows[row.key] = *row.value;
    } else {
      rows.erase(row.key);
    }
  }
  applied = changed.applied;
}

std::unique_ptr<ZnodeTree> FakeDisk::LoadTree() const {
  auto tree = std::make_unique<ZnodeTree>();
  tree->Clear();
  for (const auto& [key, value] : rows) {
    absl::Status status = tree->LoadRow(key, value);
    CHECK(status.ok()) << status;
  }
  absl::Status status = tree->FinishLoad(applied);
  CHECK(status.ok()) << status;
  return tree;
}

void FakeDisk::TrimTo(Zxid zxid) {
  std::erase_if(entries, [&](const auto& entry) { return entry.zxid <= zxid; });
  trimmed_to = std::max(trimmed_to, zxid);
}

// --- clients ---

std::vector<std::string> FakeClient::TakeLines() {
  std::vector<std::string> lines;
  for (; taken < received.size(); ++taken) {
    const v1::SessionResponse& message = received[taken];
    std::string id = std::to_string(message.request_id());
    if (message.has_event()) {
      lines.push_back("event " +
                      v1::WatchEventType_Name(message.event().type()) + " " +
                      message.event().path());
    } else if (message.has_response()) {
      const v1::CoordResponse& response = message.response();
      std::string line = id + " " + v1::CoordCode_Name(response.code());
      if (!response.data().empty()) line += " data=" + response.data();
      lines.push_back(line);
    } else if (message.has_set_watches()) {
      lines.push_back(id + " set_watches");
    } else if (message.has_close()) {
      lines.push_back(id + " closed");
    } else if (message.has_auth()) {
      lines.push_back("auth " + v1::CoordCode_Name(message.auth().code()));
    } else if (message.has_ping()) {
      lines.push_back("pong");
    }
  }
  return lines;
}

FakeClient* FakeEnsemble::Open(int member, const std::string& ip) {
  auto client = std::make_unique<FakeClient>();
  client->id = ConnectionId(++last_connection_);
  client->member = member;
  FakeClient* raw = client.get();
  clients_[raw->id] = std::move(client);
  members_.at(member)->OnConnection(raw->id, ip, now_);
  return raw;
}

void FakeEnsemble::SendConnect(FakeClient* client, uint64_t session,
                               const std::string& password,
                               int64_t timeout_ms, uint64_t last_zxid) {
  v1::SessionRequest request;
  request.mutable_connect()->set_session_id(session);
  request.mutable_connect()->set_password(password);
  request.mutable_connect()->set_timeout_ms(timeout_ms);
  request.mutable_connect()->set_last_zxid_seen(last_zxid);
  request.mutable_connect()->set_disconnect_timeout_ms(disconnect_timeout_ms_);
  SendRaw(client, std::move(request));
}

FakeClient* FakeEnsemble::Connect(int member, int64_t timeout_ms) {
  FakeClient* client = Open(member);
  SendConnect(client, 0, "", timeout_ms, 0);
  Run();
  return client;
}

FakeClient* FakeEnsemble::ConnectReadOnly(int member, const FakeClient* old) {
  FakeClient* client = Open(member);
  v1::SessionRequest request;
  v1::ConnectRequest* connect = request.mutable_connect();
  connect->set_read_only(true);
  connect->set_timeout_ms(1'000);
  if (old != nullptr) {
    connect->set_session_id(old->session_id);
    connect->set_password(old->password);
    connect->set_last_zxid_seen(old->last_zxid);
  }
  SendRaw(client, std::move(request));
  Run();
  return client;
}

FakeClient* FakeEnsemble::Reattach(const FakeClient& old, int member) {
  FakeClient* client = Open(member);
  SendConnect(client, old.session_id, old.password, old.timeout_ms,
              old.last_zxid);
  Run();
  return client;
}

uint64_t FakeEnsemble::Send(FakeClient* client, v1::CoordRequest request) {
  v1::SessionRequest message;
  message.set_request_id(client->next_request++);
  *message.mutable_request() = std::move(request);
  uint64_t id = message.request_id();
  SendRaw(client, std::move(message));
  return id;
}

void FakeEnsemble::SendRaw(FakeClient* client, v1::SessionRequest request) {
  if (client->end.has_value() || !running(client->member)) return;
  members_.at(client->member)->OnRequest(client->id, std::move(request), now_);
}

std::optional<v1::CoordResponse> FakeEnsemble::Call(FakeClient* client,
                                                    v1::CoordRequest request) {
  uint64_t id = Send(client, std::move(request));
  Run();
  for (const v1::SessionResponse& message : client->received) {
    if (message.request_id() == id && message.has_response()) {
      return message.response();
    }
  }
  return std::nullopt;
}

void FakeEnsemble::Ping(FakeClient* client) {
  v1::SessionRequest ping;
  ping.mutable_ping();
  SendRaw(client, std::move(ping));
}

void FakeEnsemble::Auth(FakeClient* client, const std::string& scheme,
                        const std::string& credentials) {
  v1::SessionRequest request;
  request.mutable_auth()->set_scheme(scheme);
  request.mutable_auth()->set_credentials(credentials);
  SendRaw(client, std::move(request));
}

void FakeEnsemble::Drop(FakeClient* client) {
  client->end = StreamEnd::kDone;
  if (running(client->member)) {
    members_.at(client->member)->OnDisconnect(client->id, now_);
  }
}

// --- the ensemble ---

FakeEnsemble::FakeEnsemble(Options options) : options_(options) {
  for (int id = 1; id <= options_.members; ++id) {
    disks_[id] = std::make_unique<FakeDisk>();
    Start(id);
  }
  for (int i = 1; i <= options_.spares; ++i) {
    disks_[options_.members + i] = std::make_unique<FakeDisk>();
  }
}

std::string FakeEnsemble::Line(int id, bool observer) {
  const std::string number = std::to_string(id);
  return number + "=h" + number + ":1" + (observer ? ":observer" : "") + ";2";
}

void FakeEnsemble::Start(int id) {
  MemberOptions options;
  options.zab.self = MemberId(id);
  for (int i = 1; i <= options_.members; ++i) {
    options.zab.voters.push_back(MemberId(i));
    options.ensemble.push_back(*ParseServerLine(Line(i)));
  }
  if (id > options_.members) {
    options.zab.observers.push_back(MemberId(id));
    options.ensemble.push_back(*ParseServerLine(Line(id, true)));
  }
  options.zab.seed = static_cast<uint64_t>(id);
  options.tick_ms = options_.tick_ms;
  options.min_session_timeout_ms = 2 * options_.tick_ms;
  options.max_session_timeout_ms = 20 * options_.tick_ms;
  options.max_requests_per_connection = options_.max_requests_per_connection;
  options.prepare = options_.prepare;
  options.reaper = options_.reaper;
  options.super_digest = options_.super_digest;
  options.faults = options_.faults;
  options.read_only_mode = options_.read_only_mode;
  options.first_ticket = ++incarnation_ << 32;
  options.first_session_id = (static_cast<uint64_t>(id) << 56) +
                             (incarnation_ << 20);
  options.new_password = [n = 0]() mutable {
    return "password" + std::to_string(n++);
  };
  FakeDisk& disk = *disks_[id];
  members_[id] = std::make_unique<Member>(options, disk.hard_state,
                                          disk.LoadTree(), &disk);
  TakeOutput(id);
}

void FakeEnsemble::Crash(int id) {
  members_.erase(id);
  persisted_.erase(id);
  installed_.erase(id);
  snapshots_.erase(id);
  for (auto& [link, queue] : links_) {
    if (link.first == id || link.second == id) queue.clear();
  }
  for (auto& [connection, client] : clients_) {
    if (client->member == id && !client->end) {
      client->end = StreamEnd::kUnavailable;
    }
  }
  for (auto& [other, member] : members_) {
    member->OnLinkReset(MemberId(id));
    member->OnPeerLost(MemberId(id));
    TakeOutput(other);
  }
}

void FakeEnsemble::Cut(int a, int b) {
  for (auto [from, to] : {std::pair(a, b), std::pair(b, a)}) {
    cut_.insert({from, to});
    links_[{from, to}].clear();
  }
}

void FakeEnsemble::Heal(int a, int b) {
  for (auto [from, to] : {std::pair(a, b), std::pair(b, a)}) {
    cut_.erase({from, to});
    if (running(to)) members_.at(to)->OnLinkReset(MemberId(from));
  }
}

void FakeEnsemble::HoldDisk(int member, bool hold) {
  if (hold) {
    held_disks_.insert(member);
  } else {
    held_disks_.erase(member);
  }
}

void FakeEnsemble::Deliver(int from, int to, Packet packet) {
  Member& member = *members_.at(to);
  if (auto* zab = std::get_if<zab::Message>(&packet.body)) {
    member.OnZabMessage(std::move(*zab), now_);
  } else if (auto* batch = std::get_if<v1::ForwardBatch>(&packet.body)) {
    member.OnForward(MemberId(from), packet.epoch, std::move(*batch), now_);
  } else {
    member.OnForwardReply(
        MemberId(from), packet.epoch,
        std::move(std::get<v1::ForwardReplyBatch>(packet.body)), now_);
  }
}

bool FakeEnsemble::Step() {
  for (auto& [id, member] : members_) TakeOutput(id);
  for (auto& [link, queue] : links_) {
    auto [from, to] = link;
    if (queue.empty() || !running(to)) continue;
    if (hold_replies_ &&
        std::holds_alternative<v1::ForwardReplyBatch>(queue.front().body)) {
      // Replies wait; what is behind them goes on (they are ordered only
      // among themselves as far as the members are concerned).
      auto next = std::find_if(queue.begin(), queue.end(), [](const Packet& p) {
        return !std::holds_alternative<v1::ForwardReplyBatch>(p.body);
      });
      if (next == queue.end()) continue;
      Packet packet = std::move(*next);
      queue.erase(next);
      Deliver(from, to, std::move(packet));
      TakeOutput(to);
      return true;
    }
    Packet packet = std::move(queue.front());
    queue.pop_front();
    Deliver(from, to, std::move(packet));
    TakeOutput(to);
    return true;
  }
  for (auto& [id, tokens] : persisted_) {
    if (tokens.empty() || held_disks_.count(id) != 0) continue;
    uint64_t token = tokens.front();
    tokens.pop_front();
    Member& member = *members_.at(id);
    member.OnPersisted(token);
    if (installed_[id].has_value()) {
      installed_[id].reset();
      member.OnTreeLoaded(disks_[id]->LoadTree(), now_);
    }
    TakeOutput(id);
    return true;
  }
  for (auto& [id, queue] : snapshots_) {
    if (queue.empty() || !running(id)) continue;
    SnapshotOnTheWay snapshot = std::move(queue.front());
    queue.pop_front();
    disks_[id]->staged_rows = std::move(snapshot.rows);
    disks_[id]->staged_zxid = snapshot.zxid;
    const auto ensemble = disks_[id]->staged_rows.find(EnsembleKey());
    members_.at(id)->OnSnapshotReceived(
        MemberId(snapshot.from), snapshot.epoch, snapshot.zxid,
        ensemble == disks_[id]->staged_rows.end() ? "" : ensemble->second);
    TakeOutput(id);
    if (running(snapshot.from)) {
      members_.at(snapshot.from)
          ->OnSnapshotSent(MemberId(id), snapshot.epoch, snapshot.zxid, true);
      TakeOutput(snapshot.from);
    }
    return true;
  }
  return false;
}

void FakeEnsemble::Run() {
  for (int i = 0; Step(); ++i) CHECK_LT(i, 1'000'000) << "never quiet";
}

void FakeEnsemble::RunSteps(int inputs) {
  for (int i = 0; i < inputs && Step(); ++i) {
  }
}

void FakeEnsemble::TakeOutput(int id) {
  MemberOutput output = members_.at(id)->TakeOutput(now_);
  CHECK_EQ(output.fatal, "");
  // Whatever happens, no ephemeral outlives its session.
  const absl::Status ephemerals = members_.at(id)->tree().CheckEphemerals();
  CHECK(ephemerals.ok()) << ephemerals;
  FakeDisk& disk = *disks_[id];
  for (const zab::Persist& persist : output.persist) {
    disk.Persist(persist);
    persisted_[id].push_back(persist.token);
    if (persist.install_snapshot.has_value()) {
      installed_[id] = persist.install_snapshot;
    }
  }
  if (output.rows.has_value()) disk.Apply(*output.rows);
  if (output.removed) removed_.insert(id);
  auto send = [&](int to, Packet packet) {
    if (cut_.count({id, to}) == 0) {
      links_[{id, to}].push_back(std::move(packet));
    }
  };
  for (zab::Message& message : output.zab_messages) {
    send(message.to.value(), Packet{std::move(message), 0});
  }
  for (auto& [to, batch] : output.forwards) {
    send(to.value(), Packet{std::move(batch), output.epoch});
  }
  for (auto& [to, batch] : output.forward_replies) {
    send(to.value(), Packet{std::move(batch), output.epoch});
  }
  for (const zab::SnapshotSend& snapshot : output.snapshots) {
    snapshots_[snapshot.to.value()].push_back(
        {id, snapshot.epoch, disk.applied, disk.rows});
  }
  for (ClientAction& action : output.clients) {
    FakeClient& client = *clients_.at(action.connection);
    CHECK(!client.end.has_value() || !action.message.has_value())
        << "a message after the end";
    if (!action.message.has_value()) {
      client.end = action.end;
      continue;
    }
    client.last_zxid = std::max(client.last_zxid, action.message->zxid());
    if (action.message->has_connect()) {
      client.session_id = action.message->connect().session_id();
      client.password = action.message->connect().password();
      client.timeout_ms = action.message->connect().timeout_ms();
    }
    client.received.push_back(std::move(*action.message));
  }
}

void FakeEnsemble::Advance(int64_t ms) {
  Run();
  for (int64_t passed = 0; passed < ms; passed += 50) {
    now_.monotonic_ms += 50;
    now_.wall_ms += 50;
    for (auto& [id, member] : members_) {
      member->Tick(now_);
      TakeOutput(id);
    }
    Run();
  }
}

int FakeEnsemble::leader() const {
  for (const auto& [id, member] : members_) {
    if (member->serving() &&
        member->zab().role().role == zab::Role::kLeading) {
      return id;
    }
  }
  return 0;
}

std::vector<int> FakeEnsemble::followers() const {
  std::vector<int> found;
  for (const auto& [id, member] : members_) {
    if (member->serving() && id != leader()) found.push_back(id);
  }
  return found;
}

void FakeEnsemble::Elect() {
  for (int i = 0; i < 200; ++i) {
    Advance(50);
    size_t up = 0;
    for (const auto& [id, member] : members_) up += member->serving();
    if (leader() != 0 && up == members_.size()) return;
  }
  CHECK(false) << "no quorum came up";
}

// --- requests ---

v1::CoordRequest Create(const std::string& path, const std::string& data,
                        v1::CreateMode mode) {
  v1::CoordRequest request;
  v1::CreateOp* create = request.mutable_write()->mutable_create();
  create->set_path(path);
  create->set_data(data);
  create->set_mode(mode);
  return request;
}
v1::CoordRequest Delete(const std::string& path) {
  v1::CoordRequest request;
  request.mutable_write()->mutable_delete_()->set_path(path);
  request.mutable_write()->mutable_delete_()->set_version(-1);
  return request;
}
v1::CoordRequest Set(const std::string& path, const std::string& data,
                     int version) {
  v1::CoordRequest request;
  v1::SetDataOp* set = request.mutable_write()->mutable_set_data();
  set->set_path(path);
  set->set_data(data);
  set->set_version(version);
  return request;
}
v1::CoordRequest Get(const std::string& path, bool watch) {
  v1::CoordRequest request;
  request.mutable_get_data()->set_path(path);
  request.mutable_get_data()->set_watch(watch);
  return request;
}
v1::CoordRequest Exists(const std::string& path, bool watch) {
  v1::CoordRequest request;
  request.mutable_exists()->set_path(path);
  request.mutable_exists()->set_watch(watch);
  return request;
}
v1::CoordRequest Children(const std::string& path, bool watch) {
  v1::CoordRequest request;
  request.mutable_get_children()->set_path(path);
  request.mutable_get_children()->set_watch(watch);
  return request;
}
v1::CoordRequest Sync() {
  v1::CoordRequest request;
  request.mutable_sync()->set_path("/");
  return request;
}

}  // namespace sillok::coord
