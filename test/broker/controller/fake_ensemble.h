// A coordinator in memory, for tests: znodes, sessions, watches, multis, and the
// faults that matter to brokers (lost answers, expired sessions).
#ifndef SILLOK_TEST_BROKER_CONTROLLER_FAKE_ENSEMBLE_H_
#define SILLOK_TEST_BROKER_CONTROLLER_FAKE_ENSEMBLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/strand.h"
#include "broker/metadata/metadata_store.h"

namespace sillok {

class FakeStore;

// Thread-safe. Answers and events are handed over on each store's strand.
class FakeEnsemble {
 public:
  struct Node {
    std::string data;
    v1::Stat stat;
  };

  FakeEnsemble();
  // The base znodes of a cluster and its id, as a first registration makes them.
  void Bootstrap();

  // As some client with `session` would; watches of all stores fire.
  v1::CoordResponse Execute(uint64_t session, const v1::CoordRequest& request,
                            FakeStore* watcher = nullptr);
  // For checks.
  std::map<std::string, Node> Snapshot() const;
  std::string Data(const std::string& path) const;
  bool Has(const std::string& path) const;
  size_t largest_multi_bytes() const { return largest_multi_bytes_; }
  size_t multis() const { return multis_; }

 private:
  friend class FakeStore;
  using Watches = std::map<std::string, std::set<FakeStore*>>;

  v1::CoordCode Write(uint64_t session, const v1::WriteOp& op,
                      v1::WriteResult* result);
  v1::CoordCode CreateNode(uint64_t session, const v1::CreateOp& op,
                           v1::WriteResult* result);
  v1::CoordCode DeleteNode(const v1::DeleteOp& op);
  v1::CoordResponse Read(const v1::CoordRequest& request, FakeStore* watcher);
  v1::CoordResponse Multi(uint64_t session, const v1::MultiOp& multi);
  void Fire(Watches* watches, v1::WatchEventType type,
            const std::string& path);
  void ExpireLocked(uint64_t session);

  mutable std::mutex mutex_;
  std::map<std::string, Node> nodes_;
  uint64_t zxid_ = 0;
  uint64_t next_session_ = 1;
  Watches data_watches_;
  Watches child_watches_;
  std::vector<std::pair<v1::WatchEventType, std::string>> fired_;
  size_t largest_multi_bytes_ = 0;
  size_t multis_ = 0;
};

// One session.
class FakeStore final : public MetadataStore {
 public:
  FakeStore(FakeEnsemble* ensemble, Executor* executor);
  ~FakeStore() override;

  void Call(v1::CoordRequest request, Reply reply) override;
  uint64_t SessionId() const override;
  bool Connected() const override;
  void AddListener(Listener listener) override;

  // Ends the session: ephemerals go, then a new session begins.
  void Expire();
  // From now on requests get CONNECTION_LOSS; the session stays.
  void Disconnect();
  void Reconnect();
  // The session goes on but this store does not hear of anything any more, as a
  // paused process; requests wait until Resume.
  void Pause();
  // Delivers what waited. With `expired` the session ended meanwhile, but a
  // request issued now is executed before the store hears of it.
  void Resume();
  // The next `count` writes are executed, their answers lost.
  void LoseAnswers(int count);

 private:
  friend class FakeEnsemble;
  void Notify(const Event& event);

  FakeEnsemble* const ensemble_;
  std::shared_ptr<Strand> strand_;
  mutable std::mutex mutex_;
  uint64_t session_ = 0;
  bool connected_ = true;
  bool paused_ = false;
  int lose_answers_ = 0;
  std::vector<Listener> listeners_;
  std::vector<std::function<void()>> held_;
};

}  // namespace sillok

#endif  // SILLOK_TEST_BROKER_CONTROLLER_FAKE_ENSEMBLE_H_
