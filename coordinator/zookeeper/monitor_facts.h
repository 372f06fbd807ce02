// What four-letter words and admin commands tell of a member. Plain data.
#ifndef SILLOK_COORDINATOR_ZOOKEEPER_MONITOR_FACTS_H_
#define SILLOK_COORDINATOR_ZOOKEEPER_MONITOR_FACTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "coordinator/server/stream_facts.h"

namespace sillok::coord {

// Does not change while the process runs.
struct MonitorConstants {
  // "3.9.0-sillok-1.2": which ZooKeeper it stands for, and its own.
  std::string version;
  int member_id = 0;
  std::string data_dir;
  // ZooKeeper's configuration keys, as `conf` lists them.
  std::vector<std::pair<std::string, std::string>> config;
};

struct MonitorFacts {
  bool serving = false;    // clients, be it only with reads
  bool read_only = false;  // only with reads: there is no quorum
  bool leading = false;
  Traffic traffic;
  uint64_t zxid = 0;
  size_t outstanding = 0;
  size_t connections = 0;
  int64_t znodes = 0;
  int64_t watches = 0;
  int64_t ephemerals = 0;
  int64_t data_bytes = 0;
  int64_t sessions = 0;
  uint64_t digest = 0;
  // Of the ensemble, as of now.
  size_t members = 1;
  size_t voters = 1;
  bool observes = false;  // this member does
  int64_t uptime_ms = 0;
  // Of a leader.
  size_t synced_voters = 0;  // itself included
  uint64_t proposals = 0;
  uint64_t expired_sessions = 0;
  int leader_id = -1;
  uint32_t epoch = 0;
  uint64_t elections = 0;
};

struct ConnectionFacts {
  std::string peer;  // "127.0.0.1:40322"
  int64_t since_unix_ms = 0;
  StreamFacts stream;
};

struct SessionFacts {
  SessionId id;
  int64_t timeout_ms = 0;
  std::set<std::string> ephemerals;
};

// Where the facts come from: the member, its doors and the process. On the loop;
// calls cost what they list.
class MonitorSource {
 public:
  virtual ~MonitorSource() = default;
  virtual const MonitorConstants& constants() const = 0;
  virtual MonitorFacts Facts() const = 0;
  // The members as /zookeeper/config has them: a line "server.N=..." for each,
  // and "version=..."; none for a member that stays alone.
  virtual std::vector<std::string> Ensemble() const = 0;
  virtual std::vector<ConnectionFacts> Connections() const = 0;
  // By id; of the whole ensemble.
  virtual std::vector<SessionFacts> Sessions() const = 0;
  virtual WatchCounts CountWatches() const = 0;
  virtual std::map<std::string, std::set<SessionId>> WatchesByPath() const = 0;
  virtual std::map<SessionId, std::set<std::string>> WatchesBySession()
      const = 0;
  // Sets the counters of the member, or of all its streams, to 0.
  virtual void ResetTraffic() = 0;
  virtual void ResetConnectionTraffic() = 0;
  // Bytes below the data directory.
  virtual int64_t DataDirectoryBytes() const = 0;
  // File descriptors open and allowed.
  virtual std::pair<int64_t, int64_t> Descriptors() const = 0;
  // host.name, os.name and so on.
  virtual std::vector<std::pair<std::string, std::string>> Environment()
      const = 0;
};

// "leader", "follower", "observer", "standalone", or "read-only".
std::string ServerState(const MonitorFacts& facts);
// "0x1a"
std::string HexNumber(uint64_t value);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_ZOOKEEPER_MONITOR_FACTS_H_
