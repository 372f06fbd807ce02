#include "coordinator/server/node.h"

#include <sys/random.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/rpc/server.h"
#include "base/rpc/socket_tuning.h"
#include "base/status_macros.h"
#include "base/strand.h"
#include "coordinator/server/admin_service.h"
#include "coordinator/server/client_service.h"
#include "coordinator/server/event_loop.h"
#include "coordinator/server/peer_door.h"
#include "coordinator/server/session_service.h"
#include "coordinator/server/snapshot_transfer.h"
#include "coordinator/tree/membership.h"
#include "coordinator/zab/peer_codec.h"
#include "glog/logging.h"

namespace sillok::coord {
namespace {

// Committed transactions between two trims of the log.
constexpr uint64_t kTrimInterval = 10'000;
// How long Stop lets a leader finish what is proposed.
constexpr int kHandOverMs = 1'000;
// How long clients have to take their last messages.
constexpr int kLastAnswersMs = 200;

template <typename Number>
Number RandomNumber() {
  Number number;
  CHECK_EQ(getrandom(&number, sizeof(number), 0),
           static_cast<ssize_t>(sizeof(number)));
  return number;
}

std::string RandomPassword() {
  std::string password(16, '\0');
  CHECK_EQ(getrandom(password.data(), password.size(), 0),
           static_cast<ssize_t>(password.size()));
  return password;
}

Now CurrentTime() {
  const Clock& clock = Clock::Real();
  return {clock.MonotonicMs(), clock.WallMs()};
}

std::string Hex(uint64_t value) {
  char text[20];
  snprintf(text, sizeof(text), "0x%llx",
           static_cast<unsigned long long>(value));
  return text;
}

const char* RoleName(zab::Role role) {
  switch (role) {
    case zab::Role::kLooking:
      return "looking";
    case zab::Role::kFollowing:
      return "following";
    case zab::Role::kLeading:
      return "leading";
  }
  return "?";
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZnodeTree>> LoadTree(CoordinatorStore* store,
                                                    Zxid applied) {
  auto tree = std::make_unique<ZnodeTree>();
  tree->Clear();
  RETURN_IF_ERROR(
      store->ReadRows([&](std::string_view key, std::string_view value) {
        return tree->LoadRow(key, value);
      }));
  RETURN_IF_ERROR(tree->FinishLoad(applied));
  return tree;
}

// Everything without a note runs on the loop once Start has started it.
class Node::Impl {
 public:
  Impl(NodeOptions options, std::unique_ptr<CoordinatorStore> store)
      : options_(std::move(options)), store_(std::move(store)) {}

  absl::Status Start();
  void Stop();

  void TransferLeadership(MemberId to, TransferDone done);
  bool RunOnLoopUnlessOver(const std::function<void()>& task);
  int client_port() const { return client_server_->port(); }
  int peer_port() const { return peer_door_->port(); }
  NodeFacts facts() const {
    std::lock_guard lock(facts_mutex_);
    return facts_;
  }

 private:
  void MakeMember(std::unique_ptr<ZnodeTree> tree);
  ClientHandler MakeClientHandler();
  AdminService::Handler MakeAdminHandler();
  void KillSession(SessionId session, SessionService::Done done);
  void CheckKills();
  absl::Status Listen();
  absl::Status OpenPeerDoor();
  absl::Status OpenDoor();
  void StartLoop();

  void OnPeerMessage(v1::PeerMessage message);
  void OnTick();
  void OnTurn();
  void CarryOut(MemberOutput output);
  void Persist(std::vector<zab::Persist> persists);
  void LoadInstalled(Zxid zxid);
  void SendToPeers(MemberOutput& output);
  void SetPeers(const std::vector<zab::EnsembleMember>& contacts);
  void OnRole(const zab::RoleState& role);
  void StartTransfer(MemberId to, TransferDone done);
  void EndTransfer(const TransferEnd& end);
  void MaybeTrim();
  void Fatal(absl::Status status);
  void Removed();
  NodeFacts CollectFacts() const;
  void UpdateFacts();
  template <typename Function>
  void RunOnLoop(Function function);

  NodeOptions options_;
  std::unique_ptr<CoordinatorStore> store_;
  std::unique_ptr<Member> member_;

  ClientService client_service_;
  std::unique_ptr<AdminService> admin_service_;
  std::unique_ptr<SessionService> session_service_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<Executor> disk_;  // takes snapshots in, loads and gives them
  std::unique_ptr<PeerTransport> transport_;
  std::unique_ptr<PeerDoor> peer_door_;
  std::unique_ptr<rpc::RpcServer> client_server_;
  std::unique_ptr<SnapshotKeeper> snapshot_keeper_;
  std::unique_ptr<SnapshotSender> snapshot_sender_;
  std::unique_ptr<ClientDoor> door_;  // may be null

  std::atomic<int> persisting_{0};  // what the store has not written yet
  uint64_t requests_ = 0;
  uint64_t requests_before_ = 0;  // up to the last turn
  Zxid trimmed_at_;
  TransferDone transfer_done_;  // of the hand-over under way
  // Sessions whose end is proposed, and who waits for it.
  struct Kill {
    SessionId session;
    uint32_t epoch = 0;
    SessionService::Done done;
  };
  std::vector<Kill> kills_;
  bool failed_ = false;
  bool closed_ = false;   // the loop only drains: the store may be gone
  bool stopped_ = false;  // of the thread that calls Stop

  // Held while somebody waits for the loop, so that it does not end meanwhile.
  std::mutex visitors_mutex_;
  bool over_ = false;  // under visitors_mutex_: the loop takes nothing more

  mutable std::mutex facts_mutex_;
  NodeFacts facts_;  // under facts_mutex_
};

absl::Status Node::Impl::Start() {
  const StoredState& stored = store_->recovered();
  int64_t began = Clock::Real().MonotonicMs();
  ASSIGN_OR_RETURN(std::unique_ptr<ZnodeTree> tree,
                   LoadTree(store_.get(), stored.applied));
  LOG(INFO) << "loaded znodes=" << tree->znodes()
            << " sessions=" << tree->sessions().size()
            << " applied=" << stored.applied
            << " last_logged=" << stored.last_logged
            << " in_ms=" << Clock::Real().MonotonicMs() - began;
  ASSIGN_OR_RETURN(const std::string note,
                   CheckMember(options_.peers.self, options_.member.ensemble,
                               tree->ensemble()));
  if (!note.empty()) LOG(INFO) << note;
  trimmed_at_ = stored.applied;
  MakeMember(std::move(tree));
  RETURN_IF_ERROR(Listen());
  StartLoop();
  snapshot_keeper_ =
      std::make_unique<SnapshotKeeper>(store_.get(), options_.snapshots);
  return absl::OkStatus();
}

void Node::Impl::MakeMember(std::unique_ptr<ZnodeTree> tree) {
  MemberOptions& member = options_.member;
  member.zab.seed = RandomNumber<uint64_t>();
  member.first_ticket = RandomNumber<uint64_t>();
  member.new_password = RandomPassword;
  // ZooKeeper's shape: the member in the top byte, then the time, so that a
  // restarted member does not give an old number again. Never negative as a
  // signed number, which not all clients would bear.
  member.first_session_id =
      (static_cast<uint64_t>(member.zab.self.value() & 0x7f) << 56) |
      ((static_cast<uint64_t>(Clock::Real().WallMs()) << 16) &
       0x00ff'ffff'ffff'ffff);
  member_ = std::make_unique<Member>(member, store_->recovered().hard_state,
                                     std::move(tree), store_.get());
}

absl::Status Node::Impl::Listen() {
  disk_ = std::make_unique<Executor>("coord-disk", 1);
  admin_service_ = std::make_unique<AdminService>(disk_.get(), store_.get(),
                                                  MakeAdminHandler());
  session_service_ = std::make_unique<SessionService>(
      [this](SessionId session, SessionService::Done done) {
        loop_->Post([this, session, done = std::move(done)] {
          KillSession(session, done);
        });
      });
  loop_ = std::make_unique<EventLoop>();
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  ASSIGN_OR_RETURN(
      client_server_,
      rpc::RpcServer::Start({options_.client_listen},
                            {client_service_.service(), admin_service_.get(),
                             session_service_.get()},
                            &queue));
  loop_->Take(std::move(queue));
  options_.peers.tcp_congestion = rpc::TcpCongestion();
  transport_ = std::make_unique<PeerTransport>(
      options_.peers, loop_->net_loop().get(),
      PeerTransport::Handler{
          [this](v1::PeerMessage message) {
            OnPeerMessage(std::move(message));
          },
          [this](MemberId peer) { member_->OnLinkReset(peer); },
          [this](MemberId peer) { member_->OnPeerLost(peer); }});
  snapshot_sender_ = std::make_unique<SnapshotSender>(
      options_.peers, store_.get(),
      [this](MemberId to, uint32_t epoch, Zxid zxid, absl::Status status) {
        LOG(INFO) << "snapshot to peer " << to << " epoch=" << epoch
                  << " zxid=" << zxid << ": " << status;
        loop_->Post([this, to, epoch, zxid, ok = status.ok()] {
          member_->OnSnapshotSent(to, epoch, zxid, ok);
        });
      });
  absl::Status status = OpenPeerDoor();
  if (status.ok()) status = OpenDoor();
  if (!status.ok()) {
    // Peers and callers that have come in already wait for the loop.
    loop_->Start(options_.zab_tick_ms, {[] {}, [] {}});
    if (peer_door_ != nullptr) peer_door_->Stop();
    client_server_->Shutdown(0);
    loop_->Stop();
    stopped_ = true;
  }
  return status;
}

absl::Status Node::Impl::OpenPeerDoor() {
  PeerDoor::Handler handler = transport_->MakeDoorHandler();
  handler.on_snapshot = [this](MemberId from, uint32_t epoch, Zxid zxid,
                               const std::string& ensemble_row) {
    member_->OnSnapshotReceived(from, epoch, zxid, ensemble_row);
  };
  ASSIGN_OR_RETURN(
      peer_door_,
      PeerDoor::Start({options_.peer_listen, options_.peers.tcp_congestion},
                      loop_->net_loop(), disk_.get(), store_.get(),
                      std::move(handler)));
  return absl::OkStatus();
}

absl::Status Node::Impl::OpenDoor() {
  if (options_.make_door == nullptr) return absl::OkStatus();
  DoorContext context;
  context.loop = loop_->net_loop();
  context.clients = MakeClientHandler();
  context.member = member_.get();
  context.facts = [this] { return CollectFacts(); };
  ASSIGN_OR_RETURN(door_, options_.make_door(std::move(context)));
  return absl::OkStatus();
}

AdminService::Handler Node::Impl::MakeAdminHandler() {
  AdminService::Handler handler;
  handler.list_sessions = [this](v1::ListSessionsResponse* response,
                                 std::function<void()> done) {
    loop_->Post([this, response, done = std::move(done)] {
      member_->FillSessions(response);
      done();
    });
  };
  handler.transfer_leadership = [this](MemberId to, TransferDone done) {
    TransferLeadership(to, std::move(done));
  };
  return handler;
}

ClientHandler Node::Impl::MakeClientHandler() {
  ClientHandler handler;
  handler.on_connection = [this](ConnectionId id, std::string client_ip) {
    member_->OnConnection(id, std::move(client_ip), CurrentTime());
  };
  handler.on_request = [this](ConnectionId id, v1::SessionRequest request) {
    ++requests_;
    member_->OnRequest(id, std::move(request), CurrentTime());
  };
  handler.on_disconnect = [this](ConnectionId id) {
    member_->OnDisconnect(id, CurrentTime());
  };
  handler.wants_requests = [this](ConnectionId id) {
    return member_->WantsRequests(id);
  };
  return handler;
}

void Node::Impl::StartLoop() {
  ClientService::Handler handler;
  handler.clients = MakeClientHandler();
  handler.fill_status = [this](v1::MemberStatusResponse* status) {
    UpdateFacts();
    std::lock_guard lock(facts_mutex_);
    *status = facts_.status;
  };
  client_service_.Start(loop_.get(), std::move(handler));
  transport_->Start();
  UpdateFacts();
  loop_->Start(options_.zab_tick_ms,
               {[this] { OnTick(); }, [this] { OnTurn(); }});
}

// --- inputs ---

void Node::Impl::OnPeerMessage(v1::PeerMessage message) {
  MemberId from(message.from());
  if (message.body_case() == v1::PeerMessage::kForward) {
    v1::ForwardBatch batch;
    if (batch.ParseFromString(message.forward())) {
      member_->OnForward(from, message.epoch(), std::move(batch),
                         CurrentTime());
    }
    return;
  }
  if (message.body_case() == v1::PeerMessage::kForwardReply) {
    v1::ForwardReplyBatch batch;
    if (batch.ParseFromString(message.forward_reply())) {
      member_->OnForwardReply(from, message.epoch(), std::move(batch),
                              CurrentTime());
    }
    return;
  }
  absl::StatusOr<zab::Message> zab = zab::FromProto(std::move(message));
  if (!zab.ok()) {
    LOG(WARNING) << "peer " << from << " sent nonsense: " << zab.status();
    return;
  }
  member_->OnZabMessage(*std::move(zab), CurrentTime());
}

void Node::Impl::OnTick() {
  Now now = CurrentTime();
  transport_->OnTick(now.monotonic_ms);
  peer_door_->OnTick(now.monotonic_ms);
  if (closed_) return;
  if (!failed_) member_->Tick(now);
  CheckKills();
  MaybeTrim();
  UpdateFacts();
}

void Node::Impl::MaybeTrim() {
  Zxid applied = member_->tree().applied();
  if (applied.epoch() == trimmed_at_.epoch() &&
      applied.counter() < trimmed_at_.counter() + kTrimInterval) {
    return;
  }
  // A receiver of a snapshot needs what follows it.
  if (snapshot_sender_->pending() > 0) return;
  trimmed_at_ = applied;
  store_->TrimLog(applied, options_.keep_log_entries);
}

// --- outputs ---

void Node::Impl::OnTurn() {
  if (!failed_ && !closed_) CarryOut(member_->TakeOutput(CurrentTime()));
  client_service_.EndTurn();
  if (door_ != nullptr) door_->EndTurn();
  // Reads, which are answered by now: who asks one at a time asks again soon.
  if (requests_ != std::exchange(requests_before_, requests_) &&
      member_->outstanding() == 0 &&
      persisting_.load(std::memory_order_relaxed) == 0) {
    loop_->net_loop()->LingerAfterTurn();
  }
}

void Node::Impl::CarryOut(MemberOutput output) {
  Persist(std::move(output.persist));
  SendToPeers(output);
  // Behind the messages: who is let go gets the last one.
  if (output.contacts.has_value()) SetPeers(*output.contacts);
  if (output.rows.has_value()) store_->Apply(*std::move(output.rows));
  for (ClientAction& action : output.clients) {
    if (door_ == nullptr || !door_->Owns(action.connection)) {
      client_service_.Do(std::move(action));
    } else if (action.message.has_value()) {
      door_->Send(action.connection, *action.message);
    } else {
      door_->End(action.connection, action.end);
    }
  }
  for (const zab::SnapshotSend& send : output.snapshots) {
    LOG(INFO) << "sending a snapshot to peer " << send.to;
    snapshot_sender_->Send(send.to, transport_->address(send.to), send.epoch);
  }
  if (output.discard_snapshot) {
    store_->DiscardStaged();
    peer_door_->SnapshotConsumed();
  }
  if (output.role.has_value()) OnRole(*output.role);
  if (output.transfer.has_value()) EndTransfer(*output.transfer);
  if (!output.fatal.empty()) Fatal(absl::DataLossError(output.fatal));
  if (output.removed) Removed();
}

void Node::Impl::SetPeers(const std::vector<zab::EnsembleMember>& contacts) {
  std::map<MemberId, std::string> addresses;
  for (const zab::EnsembleMember& member : contacts) {
    addresses[member.id] = member.where;
  }
  transport_->SetPeers(std::move(addresses));
}

void Node::Impl::Persist(std::vector<zab::Persist> persists) {
  for (zab::Persist& persist : persists) {
    uint64_t token = persist.token;
    std::optional<Zxid> installed = persist.install_snapshot;
    persisting_.fetch_add(1, std::memory_order_relaxed);
    store_->Persist(std::move(persist), [this, token,
                                         installed](absl::Status status) {
      Task task = [this, token, installed, status] {
        if (!status.ok()) return Fatal(status);
        member_->OnPersisted(token);
        if (installed.has_value()) LoadInstalled(*installed);
      };
      // The disk's thread has nothing to write: what is to be said of this it
      // says itself, if the loop waits.
      if (persisting_.fetch_sub(1, std::memory_order_relaxed) == 1 &&
          status.ok() && !installed.has_value()) {
        loop_->RunSoon(std::move(task));
      } else {
        loop_->Post(std::move(task));
      }
    });
  }
}

void Node::Impl::LoadInstalled(Zxid zxid) {
  disk_->Post([this, zxid] {
    auto tree = LoadTree(store_.get(), zxid);
    // A Task must be copyable, a unique_ptr is not.
    auto shared = std::make_shared<decltype(tree)>(std::move(tree));
    loop_->Post([this, zxid, shared] {
      if (!shared->ok()) return Fatal(shared->status());
      LOG(INFO) << "snapshot installed, zxid=" << zxid
                << " znodes=" << (**shared)->znodes();
      trimmed_at_ = zxid;
      member_->OnTreeLoaded(std::move(**shared), CurrentTime());
      peer_door_->SnapshotConsumed();
    });
  });
}

void Node::Impl::SendToPeers(MemberOutput& output) {
  for (const zab::Message& message : output.zab_messages) {
    transport_->Send(message.to, zab::ToProto(message));
  }
  v1::PeerMessage head;
  head.set_from(options_.peers.self.value());
  head.set_epoch(output.epoch);
  for (const auto& [to, batch] : output.forwards) {
    head.set_to(to.value());
    transport_->Send(to, head, v1::PeerMessage::kForwardFieldNumber, batch);
  }
  for (const auto& [to, batch] : output.forward_replies) {
    head.set_to(to.value());
    transport_->Send(to, head, v1::PeerMessage::kForwardReplyFieldNumber,
                     batch);
  }
}

void Node::Impl::OnRole(const zab::RoleState& role) {
  LOG(INFO) << "role=" << RoleName(role.role) << " epoch=" << role.epoch
            << " leader=" << role.leader << " serving=" << role.serving
            << " zxid=" << Hex(member_->tree().applied().value())
            << " sessions=" << member_->tree().sessions().size()
            << " connections=" << member_->connections();
  client_server_->SetServing(role.serving);
  UpdateFacts();
}

void Node::Impl::TransferLeadership(MemberId to, TransferDone done) {
  loop_->Post([this, to, done = std::move(done)] { StartTransfer(to, done); });
}

void Node::Impl::StartTransfer(MemberId to, TransferDone done) {
  if (failed_ || closed_) {
    return done(absl::UnavailableError("this member stops"));
  }
  std::optional<MemberId> named;
  if (to.value() >= 0) named = to;
  switch (member_->TransferLeadership(named, CurrentTime())) {
    case zab::TransferStart::kStarted:
      LOG(INFO) << "handing the lead over to "
                << (named ? "member " + std::to_string(to.value())
                          : std::string("the most up-to-date voter"));
      transfer_done_ = std::move(done);
      return;
    case zab::TransferStart::kNotLeading: {
      MemberId leader = member_->zab().role().leader;
      return done(absl::FailedPreconditionError(
          leader.value() < 0 ? "no member leads"
                             : "member " + std::to_string(leader.value()) +
                                   " leads, not this one"));
    }
    case zab::TransferStart::kUnfit:
      return done(absl::FailedPreconditionError(
          named ? "member " + std::to_string(to.value()) +
                      " is not another voter that follows"
                : std::string("no other voter follows")));
    case zab::TransferStart::kBusy:
      return done(absl::UnavailableError("a hand-over is under way"));
  }
}

void Node::Impl::EndTransfer(const TransferEnd& end) {
  TransferDone done = std::exchange(transfer_done_, nullptr);
  LOG(INFO) << "hand-over " << (end.ok ? "done" : "failed")
            << ", leader=" << end.leader << " epoch=" << end.epoch;
  if (done == nullptr) return;
  if (!end.ok) {
    return done(absl::AbortedError(
        end.leader.value() < 0
            ? "the lead was given up and nobody has it yet"
            : "member " + std::to_string(end.leader.value()) +
                  " leads in epoch " + std::to_string(end.epoch)));
  }
  zab::RoleState now;
  now.role = zab::Role::kFollowing;
  now.leader = end.leader;
  now.epoch = end.epoch;
  now.serving = true;
  done(now);
}

void Node::Impl::KillSession(SessionId session, SessionService::Done done) {
  if (failed_ || closed_) {
    return done(absl::UnavailableError("this member stops"));
  }
  const zab::RoleState role = member_->zab().role();
  switch (member_->KillSession(session, CurrentTime())) {
    case KillStart::kStarted:
      LOG(INFO) << "closing session " << Hex(session.value())
                << ", as an operator asks";
      kills_.push_back({session, role.epoch, std::move(done)});
      return;
    case KillStart::kNotLeading:
      return done(absl::FailedPreconditionError(
          role.leader.value() < 0
              ? "no member leads"
              : "member " + std::to_string(role.leader.value()) +
                    " leads, not this one"));
    case KillStart::kNoSession:
      return done(absl::NotFoundError("there is no session " +
                                      Hex(session.value())));
    case KillStart::kBusy:
      return done(absl::UnavailableError("too much is in flight"));
  }
}

// Those whose close is applied, or whose fate the next leader has.
void Node::Impl::CheckKills() {
  const zab::RoleState role = member_->zab().role();
  std::vector<Kill> waiting;
  for (Kill& kill : std::exchange(kills_, {})) {
    if (!member_->tree().sessions().Contains(kill.session)) {
      kill.done(absl::OkStatus());
    } else if (closed_ || failed_ || role.role != zab::Role::kLeading ||
               role.epoch != kill.epoch) {
      kill.done(absl::AbortedError("the lead changed hands meanwhile"));
    } else {
      waiting.push_back(std::move(kill));
    }
  }
  for (Kill& kill : waiting) kills_.push_back(std::move(kill));
}

void Node::Impl::Fatal(absl::Status status) {
  if (std::exchange(failed_, true)) return;
  LOG(ERROR) << "this member cannot go on: " << status;
  client_server_->SetServing(false);
  UpdateFacts();
  if (options_.on_fatal != nullptr) options_.on_fatal(std::move(status));
}

void Node::Impl::Removed() {
  if (std::exchange(failed_, true)) return;
  LOG(WARNING) << "member " << options_.peers.self
               << " is no member of the ensemble any more, and ends";
  client_server_->SetServing(false);
  UpdateFacts();
  if (options_.on_removed != nullptr) options_.on_removed();
}

NodeFacts Node::Impl::CollectFacts() const {
  NodeFacts facts;
  member_->FillStatus(&facts.status);
  facts.status.set_version(options_.version);
  if (facts.status.members().empty()) {  // it has no line
    v1::MemberAddress* self = facts.status.add_members();
    self->set_member_id(options_.peers.self.value());
    self->set_peer_address(options_.peer_listen);
  }
  for (v1::MemberAddress& member : *facts.status.mutable_members()) {
    if (member.member_id() == options_.peers.self.value() &&
        member.zookeeper_address().empty()) {
      member.set_zookeeper_address(options_.zookeeper_address);
    }
  }
  facts.serving = member_->serving() && !failed_;
  facts.outstanding_requests = member_->outstanding();
  facts.requests = requests_;
  facts.committed = member_->zab().committed().counter();
  facts.elections = member_->zab().elections();
  facts.synced_voters = member_->zab().synced_voters();
  if (member_->sequencer() != nullptr) {
    facts.backlog = member_->sequencer()->backlog();
    facts.proposed = member_->sequencer()->counters().proposed;
    facts.rejected = member_->sequencer()->counters().rejected;
    facts.expired_sessions = member_->sequencer()->counters().expired_sessions;
  }
  return facts;
}

void Node::Impl::UpdateFacts() {
  NodeFacts facts = CollectFacts();
  std::lock_guard lock(facts_mutex_);
  facts_ = std::move(facts);
}

// --- the end ---

template <typename Function>
void Node::Impl::RunOnLoop(Function function) {
  std::promise<void> done;
  loop_->Post([&] {
    function();
    done.set_value();
  });
  done.get_future().wait();
}

bool Node::Impl::RunOnLoopUnlessOver(const std::function<void()>& task) {
  std::lock_guard lock(visitors_mutex_);
  if (over_) return false;
  RunOnLoop(task);
  return true;
}

void Node::Impl::Stop() {
  if (std::exchange(stopped_, true)) return;
  int64_t deadline = Clock::Real().MonotonicMs() + kHandOverMs;
  RunOnLoop([&] { client_server_->SetServing(false); });
  auto handed_over = std::make_shared<std::promise<void>>();
  TransferLeadership(MemberId(-1), [handed_over](const auto& leader) {
    handed_over->set_value();
  });
  handed_over->get_future().wait_for(std::chrono::milliseconds(kHandOverMs));
  // Without a successor what is proposed still gets its chance to be committed.
  bool settled = false;
  while (!settled && Clock::Real().MonotonicMs() < deadline) {
    RunOnLoop([&] {
      settled = failed_ ||
                member_->zab().role().role != zab::Role::kLeading ||
                member_->zab().committed() == member_->zab().last_logged();
    });
    if (!settled) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  RunOnLoop([&] { member_->Resign(CurrentTime()); });
  RunOnLoop([] {});  // its output has been carried out
  // Streams get a moment to take their last messages.
  if (door_ != nullptr) door_->Stop(kLastAnswersMs);
  client_server_->Shutdown(kLastAnswersMs);
  RunOnLoop([&] { transport_->Stop(); });
  peer_door_->Stop();
  RunOnLoop([&] {
    closed_ = true;
    CheckKills();
    if (transfer_done_ != nullptr) {
      std::exchange(transfer_done_,
                    nullptr)(absl::UnavailableError("this member stops"));
    }
  });
  snapshot_sender_.reset();
  snapshot_keeper_.reset();
  absl::Status flushed = store_->Flush();
  if (!flushed.ok()) LOG(ERROR) << "last write failed: " << flushed;
  disk_.reset();
  store_.reset();  // its callbacks post to the loop, which still is
  {
    std::lock_guard lock(visitors_mutex_);
    over_ = true;
  }
  loop_->Stop();
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() { Stop(); }

absl::StatusOr<std::unique_ptr<Node>> Node::Start(
    NodeOptions options, std::unique_ptr<CoordinatorStore> store) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(store));
  RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<Node>(new Node(std::move(impl)));
}

void Node::Stop() { impl_->Stop(); }
void Node::TransferLeadership(MemberId to, TransferDone done) {
  impl_->TransferLeadership(to, std::move(done));
}
bool Node::RunOnLoop(const std::function<void()>& task) {
  return impl_->RunOnLoopUnlessOver(task);
}
int Node::client_port() const { return impl_->client_port(); }
int Node::peer_port() const { return impl_->peer_port(); }
NodeFacts Node::facts() const { return impl_->facts(); }

absl::Status Node::health() const {
  NodeFacts facts = impl_->facts();
  if (facts.serving) return absl::OkStatus();
  return absl::UnavailableError("not part of a quorum that serves (" +
                                facts.status.role() + ")");
}

}  // namespace sillok::coord
