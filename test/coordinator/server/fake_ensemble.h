// An ensemble of real Members in one thread: fake disks, network and time.
#ifndef SILLOK_TEST_COORDINATOR_SERVER_FAKE_ENSEMBLE_H_
#define SILLOK_TEST_COORDINATOR_SERVER_FAKE_ENSEMBLE_H_

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "coordinator/server/member.h"

namespace sillok::coord {

// What a member's disk holds. Outlives its crashes.
class FakeDisk final : public zab::LogView {
 public:
  Zxid TrimmedTo() const override { return trimmed_to; }
  Zxid LastZxid() const override {
    return entries.empty() ? trimmed_to : entries.back().zxid;
  }
  std::optional<Zxid> LastAtOrBefore(Zxid zxid) const override;
  std::vector<zab::Entry> Read(Zxid after, size_t max_bytes) const override;

  void Persist(const zab::Persist& persist);
  void Apply(const TreeRows& rows_of_tree);
  std::unique_ptr<ZnodeTree> LoadTree() const;
  void TrimTo(Zxid zxid);

  zab::HardState hard_state;
  Zxid trimmed_to;
  std::vector<zab::Entry> entries;
  std::map<std::string, std::string> rows;
  Zxid applied;
  // A snapshot that came from another member.
  std::map<std::string, std::string> staged_rows;
  Zxid staged_zxid;
};

// One client stream, as the client sees it.
struct FakeClient {
  ConnectionId id;
  int member = 0;
  std::vector<v1::SessionResponse> received;
  std::optional<StreamEnd> end;
  // Of the answer to connect.
  uint64_t session_id = 0;
  std::string password;
  int64_t timeout_ms = 0;
  uint64_t last_zxid = 0;
  uint64_t next_request = 1;
  size_t taken = 0;

  // What came since the last call, one line each: "1 OK", "event NODE_CREATED
  // /a", "2 OK data=x".
  std::vector<std::string> TakeLines();
};

class FakeEnsemble {
 public:
  struct Options {
    int members = 3;
    // Ids behind those of the members that may be started and added later.
    int spares = 0;
    int64_t tick_ms = 200;  // session timeouts: 400 to 4,000
    size_t max_requests_per_connection = 1'000;
    PrepareOptions prepare;
    ReaperOptions reaper;
    std::string super_digest;
    MemberFaults faults;
    bool read_only_mode = false;
  };
  FakeEnsemble() : FakeEnsemble(Options()) {}
  explicit FakeEnsemble(Options options);

  // Delivers everything until nothing is under way.
  void Run();
  // Delivers at most this many inputs.
  void RunSteps(int inputs);
  // Lets time pass, in ZAB ticks, delivering all.
  void Advance(int64_t ms);
  // Until some member leads and a quorum serves; CHECKs that it comes.
  void Elect();
  int leader() const;  // 0 = none
  std::vector<int> followers() const;

  void Crash(int member);
  // A spare knows the members and itself as an observer.
  void Start(int member);
  // It has said that the ensemble goes on without it.
  bool removed(int member) const { return removed_.count(member) != 0; }
  // "N=hN:1[:observer];2"
  static std::string Line(int id, bool observer = false);
  // Throws the disk away as well.
  void Wipe(int member) { disks_[member] = std::make_unique<FakeDisk>(); }
  FakeDisk& disk(int member) { return *disks_[member]; }
  void Cut(int a, int b);
  void Heal(int a, int b);
  // Messages of the kind stay in the network until Release.
  void HoldForwardReplies(bool hold) { hold_replies_ = hold; }
  void HoldDisk(int member, bool hold);

  Member& member(int id) { return *members_.at(id); }
  bool running(int id) const { return members_.count(id) != 0; }
  int64_t now_ms() const { return now_.monotonic_ms; }

  // --- clients ---
  FakeClient* Open(int member, const std::string& ip = "10.0.0.1");
  // Connects with a new session; runs.
  FakeClient* Connect(int member, int64_t timeout_ms = 1'000);
  // What clients ask for from now on when they connect.
  void set_disconnect_timeout_ms(int64_t ms) { disconnect_timeout_ms_ = ms; }
  // As Connect, or with the session of `old`, at a member that only reads.
  FakeClient* ConnectReadOnly(int member, const FakeClient* old = nullptr);
  // With the session of `old`; runs.
  FakeClient* Reattach(const FakeClient& old, int member);
  void SendConnect(FakeClient* client, uint64_t session,
                   const std::string& password, int64_t timeout_ms,
                   uint64_t last_zxid);
  // Does not run. Gives the request's id.
  uint64_t Send(FakeClient* client, v1::CoordRequest request);
  void SendRaw(FakeClient* client, v1::SessionRequest request);
  // Sends and runs; the answer, or nothing when the stream ended.
  std::optional<v1::CoordResponse> Call(FakeClient* client,
                                        v1::CoordRequest request);
  void Ping(FakeClient* client);
  // Does not run.
  void Auth(FakeClient* client, const std::string& scheme,
            const std::string& credentials);
  void Drop(FakeClient* client);

 private:
  struct Packet {
    std::variant<zab::Message, v1::ForwardBatch, v1::ForwardReplyBatch> body;
    uint32_t epoch = 0;
  };
  struct SnapshotOnTheWay {
    int from;
    uint32_t epoch;
    Zxid zxid;
    std::map<std::string, std::string> rows;
  };

  bool Step();  // one input; false when there is none
  void TakeOutput(int id);
  void Deliver(int from, int to, Packet packet);

  const Options options_;
  Now now_{1'000'000, 1'700'000'000'000};
  std::map<int, std::unique_ptr<FakeDisk>> disks_;
  std::map<int, std::unique_ptr<Member>> members_;
  std::map<std::pair<int, int>, std::deque<Packet>> links_;
  std::set<std::pair<int, int>> cut_;
  std::map<int, std::deque<uint64_t>> persisted_;  // tokens to report
  std::map<int, std::optional<Zxid>> installed_;
  std::map<int, std::deque<SnapshotOnTheWay>> snapshots_;
  std::set<int> held_disks_;
  std::set<int> removed_;
  bool hold_replies_ = false;
  std::map<ConnectionId, std::unique_ptr<FakeClient>> clients_;
  uint64_t last_connection_ = 0;
  int64_t disconnect_timeout_ms_ = 0;
  uint64_t incarnation_ = 0;
};

v1::CoordRequest Create(const std::string& path, const std::string& data = "",
                        v1::CreateMode mode = v1::PERSISTENT);
v1::CoordRequest Delete(const std::string& path);
v1::CoordRequest Set(const std::string& path, const std::string& data,
                     int version = -1);
v1::CoordRequest Get(const std::string& path, bool watch = false);
v1::CoordRequest Exists(const std::string& path, bool watch = false);
v1::CoordRequest Children(const std::string& path, bool watch = false);
v1::CoordRequest Sync();

}  // namespace sillok::coord

#endif  // SILLOK_TEST_COORDINATOR_SERVER_FAKE_ENSEMBLE_H_
