// What a running member tells operators, for words and admin commands.
#ifndef SILLOK_COORDINATOR_ZOOKEEPER_MONITOR_H_
#define SILLOK_COORDINATOR_ZOOKEEPER_MONITOR_H_

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/server/node.h"
#include "coordinator/zookeeper/monitor_facts.h"

namespace sillok::coord {

// On the loop.
class Monitor final : public MonitorSource {
 public:
  // `member` outlives this. `peer_of`: address and port of a connection, "" when
  // it is not known.
  Monitor(MonitorConstants constants, Member* member,
          std::function<NodeFacts()> facts,
          std::function<std::string(ConnectionId)> peer_of);

  const MonitorConstants& constants() const override { return constants_; }
  MonitorFacts Facts() const override;
  std::vector<std::string> Ensemble() const override;
  std::vector<ConnectionFacts> Connections() const override;
  std::vector<SessionFacts> Sessions() const override;
  WatchCounts CountWatches() const override { return member_->CountWatches(); }
  std::map<std::string, std::set<SessionId>> WatchesByPath() const override {
    return member_->WatchesByPath();
  }
  std::map<SessionId, std::set<std::string>> WatchesBySession()
      const override {
    return member_->WatchesBySession();
  }
  void ResetTraffic() override { member_->ResetTraffic(); }
  void ResetConnectionTraffic() override { member_->ResetStreamTraffic(); }
  int64_t DataDirectoryBytes() const override;
  std::pair<int64_t, int64_t> Descriptors() const override;
  std::vector<std::pair<std::string, std::string>> Environment()
      const override;

 private:
  const MonitorConstants constants_;
  Member* const member_;
  const std::function<NodeFacts()> facts_;
  const std::function<std::string(ConnectionId)> peer_of_;
  const int64_t began_ms_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_ZOOKEEPER_MONITOR_H_
