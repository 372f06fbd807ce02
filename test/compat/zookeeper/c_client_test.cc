// libzookeeper_mt, the C client: its synchronous and asynchronous calls,
// watches, multi, rights, and a session that moves when members die.
#include <zookeeper/zookeeper.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "test/compat/zookeeper/zookeeper_fixture.h"

namespace sillok::compat_test {
namespace {

constexpr auto kPatience = std::chrono::seconds(40);

// A handle, and the events it was told.
class CClient {
 public:
  explicit CClient(const std::string& servers, int timeout_ms = 10'000,
                   const clientid_t* id = nullptr) {
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    handle_ = zookeeper_init(servers.c_str(), OnEvent, timeout_ms, id, this, 0);
  }
  ~CClient() {
    if (handle_ != nullptr) zookeeper_close(handle_);
  }
  CClient(const CClient&) = delete;
  CClient& operator=(const CClient&) = delete;

  zhandle_t* get() const { return handle_; }
  operator zhandle_t*() const { return handle_; }  // NOLINT

  bool AwaitState(int state) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(
        lock, kPatience, [&] { return zoo_state(handle_) == state; });
  }
  bool AwaitConnected() { return AwaitState(ZOO_CONNECTED_STATE); }
  // Takes the event out.
  bool AwaitEvent(int type, const std::string& path) {
    std::unique_lock lock(mutex_);
    auto find = [&] {
      return std::find(events_.begin(), events_.end(), std::pair(type, path));
    };
    if (!changed_.wait_for(lock, kPatience,
                           [&] { return find() != events_.end(); })) {
      return false;
    }
    events_.erase(find());
    return true;
  }
  size_t EventsLeft() {
    std::lock_guard lock(mutex_);
    return events_.size();
  }

 private:
  static void OnEvent(zhandle_t*, int type, int, const char* path,
                      void* context) {
    auto* self = static_cast<CClient*>(context);
    std::lock_guard lock(self->mutex_);
    if (type != ZOO_SESSION_EVENT) self->events_.emplace_back(type, path);
    self->changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::pair<int, std::string>> events_;
  zhandle_t* handle_ = nullptr;
};

std::string Get(zhandle_t* handle, const std::string& path, Stat* stat) {
  std::string data(1 << 20, '\0');
  int size = static_cast<int>(data.size());
  const int code =
      zoo_get(handle, path.c_str(), 0, data.data(), &size, stat);
  if (code != ZOK) return "error " + std::to_string(code);
  if (size < 0) return "(null)";
  data.resize(static_cast<size_t>(size));
  return data;
}

int Create(zhandle_t* handle, const std::string& path,
           const std::string& data = "", int flags = 0,
           std::string* created = nullptr) {
  char name[300] = "";
  const int code = zoo_create(handle, path.c_str(), data.data(),
                              static_cast<int>(data.size()),
                              &ZOO_OPEN_ACL_UNSAFE, flags, name, sizeof(name));
  if (created != nullptr) *created = name;
  return code;
}

int Set(zhandle_t* handle, const std::string& path, const std::string& data,
        int version, Stat* stat = nullptr) {
  Stat ignored;
  return zoo_set2(handle, path.c_str(), data.data(),
                  static_cast<int>(data.size()), version,
                  stat == nullptr ? &ignored : stat);
}

// After a kill: again until the connection is there; what a write did before it
// was lost nobody knows, so only calls that may be repeated.
template <typename Call>
int Persist(CClient& client, const Call& call) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    const int code = call();
    const bool lost = code == ZCONNECTIONLOSS || code == ZOPERATIONTIMEOUT;
    if (!lost || std::chrono::steady_clock::now() > end) return code;
    if (!client.AwaitConnected()) return code;
  }
}

class CClientTest : public ZooKeeperClientTest {};

TEST_F(CClientTest, NodesAreCreatedReadWrittenAndDeleted) {
  CClient client(ensemble().servers());
  ASSERT_TRUE(client.AwaitConnected());
  EXPECT_GE(zoo_recv_timeout(client), 4'000);
  ASSERT_EQ(Create(client, "/plain", "one"), ZOK);
  EXPECT_EQ(Create(client, "/plain", "two"), ZNODEEXISTS);
  EXPECT_EQ(Create(client, "/missing/child"), ZNONODE);
  Stat stat;
  EXPECT_EQ(Get(client, "/plain", &stat), "one");
  EXPECT_EQ(stat.version, 0);
  EXPECT_EQ(stat.dataLength, 3);
  EXPECT_EQ(stat.czxid, stat.mzxid);
  EXPECT_EQ(Set(client, "/plain", "three", 1), ZBADVERSION);
  ASSERT_EQ(Set(client, "/plain", "three", 0, &stat), ZOK);
  EXPECT_EQ(stat.version, 1);
  EXPECT_GT(stat.mzxid, stat.czxid);
  EXPECT_EQ(Create(client, "/plain/child"), ZOK);
  EXPECT_EQ(zoo_delete(client, "/plain", -1), ZNOTEMPTY);
  EXPECT_EQ(zoo_delete(client, "/plain/child", 3), ZBADVERSION);
  EXPECT_EQ(zoo_delete(client, "/plain/child", 0), ZOK);
  EXPECT_EQ(zoo_delete(client, "/plain", 1), ZOK);
  EXPECT_EQ(zoo_exists(client, "/plain", 0, &stat), ZNONODE);
  EXPECT_EQ(Create(client, "no-slash"), ZBADARGUMENTS);
}

TEST_F(CClientTest, DataMayBeNullEmptyOrNearlyAMebibyte) {
  CClient client(ensemble().servers());
  ASSERT_TRUE(client.AwaitConnected());
  Stat stat;
  ASSERT_EQ(zoo_create(client, "/null", nullptr, -1, &ZOO_OPEN_ACL_UNSAFE, 0,
                       nullptr, 0),
            ZOK);
  EXPECT_EQ(Get(client, "/null", &stat), "(null)");
  ASSERT_EQ(Create(client, "/empty", ""), ZOK);
  EXPECT_EQ(Get(client, "/empty", &stat), "");
  const std::string large((1 << 20) - 200, 'L');
  ASSERT_EQ(Create(client, "/large", large), ZOK);
  EXPECT_EQ(Get(client, "/large", &stat), large);
}

TEST_F(CClientTest, EveryKindOfNodeIsWhatItSays) {
  std::string ephemeral_sequential;
  {
    CClient client(ensemble().servers());
    ASSERT_TRUE(client.AwaitConnected());
    ASSERT_EQ(Create(client, "/kinds"), ZOK);
    std::string first, second;
    ASSERT_EQ(Create(client, "/kinds/s-", "", ZOO_SEQUENCE, &first), ZOK);
    ASSERT_EQ(Create(client, "/kinds/s-", "", ZOO_SEQUENCE, &second), ZOK);
    EXPECT_EQ(first, "/kinds/s-0000000000");
    EXPECT_EQ(second, "/kinds/s-0000000001");
    ASSERT_EQ(Create(client, "/kinds/e-", "",
                     ZOO_EPHEMERAL_SEQUENTIAL, &ephemeral_sequential),
              ZOK);
    EXPECT_EQ(ephemeral_sequential, "/kinds/e-0000000002");
    EXPECT_EQ(Create(client, ephemeral_sequential + "/child"),
              ZNOCHILDRENFOREPHEMERALS);
    Stat stat;
    ASSERT_EQ(zoo_exists(client, ephemeral_sequential.c_str(), 0, &stat), ZOK);
    EXPECT_EQ(stat.ephemeralOwner, zoo_client_id(client)->client_id);
    EXPECT_EQ(Create(client, "/kinds/container", "", ZOO_CONTAINER), ZOK);
    EXPECT_EQ(zoo_create_ttl(client, "/kinds/ttl", "", 0, &ZOO_OPEN_ACL_UNSAFE,
                             ZOO_PERSISTENT_WITH_TTL, 3'600'000, nullptr, 0),
              ZOK);
    Stat created;
    EXPECT_EQ(zoo_create2(client, "/kinds/two", "ab", 2, &ZOO_OPEN_ACL_UNSAFE,
                          0, nullptr, 0, &created),
              ZOK);
    EXPECT_EQ(created.dataLength, 2);
    String_vector names;
    ASSERT_EQ(zoo_get_children2(client, "/kinds", 0, &names, &stat), ZOK);
    EXPECT_EQ(names.count, 6);
    EXPECT_EQ(stat.numChildren, 6);
    EXPECT_EQ(stat.cversion, 6);
    deallocate_String_vector(&names);
  }
  CClient other(ensemble().servers());
  ASSERT_TRUE(other.AwaitConnected());
  Stat stat;
  EXPECT_EQ(zoo_exists(other, ephemeral_sequential.c_str(), 0, &stat), ZNONODE);
  EXPECT_EQ(zoo_exists(other, "/kinds/ttl", 0, &stat), ZOK);
}

TEST_F(CClientTest, WatchesTellOnceAndOfTheRightThing) {
  CClient watcher(ensemble().server(1));
  CClient writer(ensemble().server(2));
  ASSERT_TRUE(watcher.AwaitConnected());
  ASSERT_TRUE(writer.AwaitConnected());
  Stat stat;
  EXPECT_EQ(zoo_exists(watcher, "/watched", 1, &stat), ZNONODE);
  ASSERT_EQ(Create(writer, "/watched"), ZOK);
  EXPECT_TRUE(watcher.AwaitEvent(ZOO_CREATED_EVENT, "/watched"));
  char data[10];
  int size = sizeof(data);
  ASSERT_EQ(zoo_get(watcher, "/watched", 1, data, &size, &stat), ZOK);
  String_vector names;
  ASSERT_EQ(zoo_get_children(watcher, "/watched", 1, &names), ZOK);
  deallocate_String_vector(&names);
  ASSERT_EQ(Set(writer, "/watched", "x", -1), ZOK);
  EXPECT_TRUE(watcher.AwaitEvent(ZOO_CHANGED_EVENT, "/watched"));
  ASSERT_EQ(Set(writer, "/watched", "y", -1), ZOK);  // nobody looks
  ASSERT_EQ(Create(writer, "/watched/child"), ZOK);
  EXPECT_TRUE(watcher.AwaitEvent(ZOO_CHILD_EVENT, "/watched"));
  ASSERT_EQ(zoo_exists(watcher, "/watched/child", 1, &stat), ZOK);
  ASSERT_EQ(zoo_delete(writer, "/watched/child", -1), ZOK);
  EXPECT_TRUE(watcher.AwaitEvent(ZOO_DELETED_EVENT, "/watched/child"));
  EXPECT_EQ(watcher.EventsLeft(), 0u);
}

TEST_F(CClientTest, ARemovedWatchIsSilent) {
  CClient client(ensemble().servers());
  ASSERT_TRUE(client.AwaitConnected());
  ASSERT_EQ(Create(client, "/removed"), ZOK);
  auto watch = [](zhandle_t*, int type, int, const char*, void* context) {
    if (type == ZOO_CHANGED_EVENT) ++*static_cast<int*>(context);
  };
  int fired = 0;
  char data[10];
  int size = sizeof(data);
  ASSERT_EQ(zoo_wget(client, "/removed", watch, &fired, data, &size, nullptr),
            ZOK);
  EXPECT_EQ(zoo_remove_watches(client, "/removed", ZWATCHTYPE_DATA, watch,
                               &fired, 0),
            ZOK);
  EXPECT_EQ(zoo_remove_watches(client, "/removed", ZWATCHTYPE_DATA, watch,
                               &fired, 0),
            ZNOWATCHER);
  ASSERT_EQ(Set(client, "/removed", "x", -1), ZOK);
  ASSERT_EQ(Set(client, "/removed", "y", -1), ZOK);
  EXPECT_EQ(fired, 0);
}

TEST_F(CClientTest, AMultiIsAllOrNothing) {
  CClient client(ensemble().servers());
  ASSERT_TRUE(client.AwaitConnected());
  ASSERT_EQ(Create(client, "/multi", "0"), ZOK);
  char path[100];
  Stat stat;
  zoo_op_t ops[4];
  zoo_op_result_t results[4];
  zoo_check_op_init(&ops[0], "/multi", 0);
  zoo_create_op_init(&ops[1], "/multi/a", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path,
                     sizeof(path));
  zoo_set_op_init(&ops[2], "/multi", "1", 1, 0, &stat);
  zoo_delete_op_init(&ops[3], "/multi/a", 0);
  ASSERT_EQ(zoo_multi(client, 4, ops, results), ZOK);
  for (const zoo_op_result_t& result : results) EXPECT_EQ(result.err, ZOK);
  EXPECT_STREQ(path, "/multi/a");
  EXPECT_EQ(stat.version, 1);

  zoo_check_op_init(&ops[2], "/multi", 7);
  zoo_create_op_init(&ops[0], "/multi/b", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path,
                     sizeof(path));
  zoo_set_op_init(&ops[1], "/multi", "2", 1, 1, &stat);
  EXPECT_EQ(zoo_multi(client, 4, ops, results), ZBADVERSION);
  EXPECT_EQ(results[2].err, ZBADVERSION);
  EXPECT_EQ(results[3].err, ZRUNTIMEINCONSISTENCY);
  EXPECT_EQ(zoo_exists(client, "/multi/b", 0, &stat), ZNONODE);
  EXPECT_EQ(Get(client, "/multi", &stat), "1");
}

// Counts what comes back of asynchronous calls.
struct Answers {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<int, int> codes;
  std::vector<int64_t> versions;
  int total = 0;
  void Add(int code) {
    std::lock_guard lock(mutex);
    ++codes[code];
    ++total;
    changed.notify_all();
  }
  bool Await(int count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, kPatience, [&] { return total >= count; });
  }
};

TEST_F(CClientTest, AsynchronousCallsAreAnsweredInOrder) {
  CClient client(ensemble().servers());
  ASSERT_TRUE(client.AwaitConnected());
  ASSERT_EQ(Create(client, "/async"), ZOK);
  Answers answers;
  constexpr int kCount = 2'000;
  for (int i = 0; i < kCount; ++i) {
    ASSERT_EQ(zoo_aset(
                  client, "/async", "v", 1, i,
                  [](int code, const Stat* stat, const void* context) {
                    auto* all =
                        static_cast<Answers*>(const_cast<void*>(context));
                    if (code == ZOK) all->versions.push_back(stat->version);
                    all->Add(code);
                  },
                  &answers),
              ZOK);
  }
  ASSERT_TRUE(answers.Await(kCount));
  EXPECT_EQ(answers.codes[ZOK], kCount);
  EXPECT_TRUE(std::is_sorted(answers.versions.begin(), answers.versions.end()));
  ASSERT_EQ(zoo_async(
                client, "/async",
                [](int code, const char*, const void* context) {
                  static_cast<Answers*>(const_cast<void*>(context))->Add(code);
                },
                &answers),
            ZOK);
  ASSERT_TRUE(answers.Await(kCount + 1));
  EXPECT_EQ(answers.codes[ZOK], kCount + 1);
}

TEST_F(CClientTest, RightsAreThoseOfTheAcl) {
  CClient owner(ensemble().servers());
  CClient stranger(ensemble().servers());
  ASSERT_TRUE(owner.AwaitConnected());
  ASSERT_TRUE(stranger.AwaitConnected());
  auto add_auth = [](CClient& client, const std::string& cert) {
    Answers answers;
    EXPECT_EQ(zoo_add_auth(
                  client, "digest", cert.data(), static_cast<int>(cert.size()),
                  [](int code, const void* context) {
                    static_cast<Answers*>(const_cast<void*>(context))
                        ->Add(code);
                  },
                  &answers),
              ZOK);
    EXPECT_TRUE(answers.Await(1));
    EXPECT_EQ(answers.codes[ZOK], 1);
  };
  add_auth(owner, "owner:secret");
  ASSERT_EQ(zoo_create(owner, "/owned", "mine", 4, &ZOO_CREATOR_ALL_ACL, 0,
                       nullptr, 0),
            ZOK);
  Stat stat;
  EXPECT_EQ(Get(stranger, "/owned", &stat), "error " + std::to_string(ZNOAUTH));
  EXPECT_EQ(Set(stranger, "/owned", "x", -1), ZNOAUTH);
  EXPECT_EQ(Create(stranger, "/owned/child"), ZNOAUTH);
  EXPECT_EQ(zoo_set_acl(stranger, "/owned", -1, &ZOO_OPEN_ACL_UNSAFE), ZNOAUTH);
  ACL_vector acl;
  ASSERT_EQ(zoo_get_acl(owner, "/owned", &acl, &stat), ZOK);
  ASSERT_EQ(acl.count, 1);
  EXPECT_STREQ(acl.data[0].id.scheme, "digest");
  EXPECT_EQ(acl.data[0].perms, ZOO_PERM_ALL);
  deallocate_ACL_vector(&acl);
  EXPECT_EQ(zoo_set_acl(owner, "/owned", 0, &ZOO_READ_ACL_UNSAFE), ZOK);
  EXPECT_EQ(Get(stranger, "/owned", &stat), "mine");
  EXPECT_EQ(stat.aversion, 1);
  EXPECT_EQ(Set(owner, "/owned", "x", -1), ZNOAUTH);
  add_auth(stranger, "owner:wrong");
  EXPECT_EQ(Set(stranger, "/owned", "x", -1), ZNOAUTH);
}

TEST_F(CClientTest, AChrootIsTheClientsRoot) {
  CClient outer(ensemble().servers());
  ASSERT_TRUE(outer.AwaitConnected());
  ASSERT_EQ(Create(outer, "/jail"), ZOK);
  CClient inner(ensemble().servers() + "/jail");
  ASSERT_TRUE(inner.AwaitConnected());
  std::string created;
  ASSERT_EQ(Create(inner, "/cell", "x", 0, &created), ZOK);
  EXPECT_EQ(created, "/cell");
  Stat stat;
  EXPECT_EQ(Get(outer, "/jail/cell", &stat), "x");
}

TEST_F(CClientTest, AClosedSessionCannotBeTakenUp) {
  clientid_t id;
  {
    CClient client(ensemble().servers());
    ASSERT_TRUE(client.AwaitConnected());
    id = *zoo_client_id(client);
  }
  CClient again(ensemble().servers(), 10'000, &id);
  EXPECT_TRUE(again.AwaitState(ZOO_EXPIRED_SESSION_STATE));
}

TEST_F(CClientTest, ASessionWithItsWatchesAndEphemeralsOutlivesEveryMember) {
  CClient client(ensemble().servers(), 20'000);
  CClient other(ensemble().servers(), 20'000);
  ASSERT_TRUE(client.AwaitConnected());
  ASSERT_TRUE(other.AwaitConnected());
  ASSERT_EQ(Create(client, "/moving"), ZOK);
  ASSERT_EQ(Create(client, "/moving-e", "", ZOO_EPHEMERAL), ZOK);
  const int64_t session = zoo_client_id(client)->client_id;
  // The leader first, then the others.
  std::vector<int> order = {ensemble().WaitForLeader()};
  for (int id = 1; id <= ensemble().members(); ++id) {
    if (id != order[0]) order.push_back(id);
  }
  int version = 0;
  for (int member : order) {
    Stat stat;
    ASSERT_EQ(Persist(client,
                      [&] { return zoo_exists(client, "/moving", 1, &stat); }),
              ZOK);
    EXPECT_EQ(stat.version, version);
    ensemble().Kill(member);
    // A write by its version: done twice it would be refused.
    const int code = Persist(other, [&] {
      return Set(other, "/moving", std::to_string(version), version);
    });
    EXPECT_TRUE(code == ZOK || code == ZBADVERSION) << code;
    ++version;
    EXPECT_TRUE(client.AwaitEvent(ZOO_CHANGED_EVENT, "/moving"))
        << "after the end of member " << member;
    ensemble().Start(member);
    ensemble().WaitForLeader();
  }
  Stat stat;
  ASSERT_EQ(Persist(client,
                    [&] { return zoo_exists(client, "/moving-e", 0, &stat); }),
            ZOK);
  EXPECT_EQ(stat.ephemeralOwner, session);
  EXPECT_EQ(zoo_client_id(client)->client_id, session);
  ASSERT_EQ(Persist(client,
                    [&] { return zoo_exists(client, "/moving", 0, &stat); }),
            ZOK);
  EXPECT_EQ(stat.version, version);
}

TEST_F(CClientTest, NoAcknowledgedAsynchronousCreateIsLostWhenTheLeaderDies) {
  CClient client(ensemble().servers(), 20'000);
  ASSERT_TRUE(client.AwaitConnected());
  ASSERT_EQ(Create(client, "/burst"), ZOK);
  struct One {
    Answers* answers;
    int code = 1;
  };
  Answers answers;
  constexpr int kCount = 3'000;
  std::vector<One> all(kCount, One{&answers});
  const int leader = ensemble().WaitForLeader();
  int asked = 0;
  for (int i = 0; i < kCount; ++i) {
    const std::string path = "/burst/" + std::to_string(i);
    const int code = zoo_acreate(
        client, path.c_str(), "", 0, &ZOO_OPEN_ACL_UNSAFE, 0,
        [](int result, const char*, const void* context) {
          auto* one = static_cast<One*>(const_cast<void*>(context));
          one->code = result;
          one->answers->Add(result);
        },
        &all[static_cast<size_t>(i)]);
    asked += code == ZOK;
    if (i == kCount / 2) {
      ASSERT_TRUE(answers.Await(kCount / 10));
      ensemble().Kill(leader);
    }
  }
  ASSERT_TRUE(answers.Await(asked));
  ASSERT_TRUE(client.AwaitConnected());
  int acknowledged = 0;
  for (int i = 0; i < kCount; ++i) {
    if (all[static_cast<size_t>(i)].code != ZOK) continue;
    ++acknowledged;
    Stat stat;
    const std::string path = "/burst/" + std::to_string(i);
    ASSERT_EQ(Persist(client,
                      [&] { return zoo_exists(client, path.c_str(), 0, &stat); }),
              ZOK)
        << path;
  }
  EXPECT_GE(acknowledged, kCount / 10);
}

}  // namespace
}  // namespace sillok::compat_test
