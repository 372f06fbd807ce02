// Who leads a partition that a client looked for on the wrong broker (KIP-951).
#ifndef SILLOK_BROKER_KAFKA_LEADER_HINTS_H_
#define SILLOK_BROKER_KAFKA_LEADER_HINTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/api/broker_context.h"

namespace sillok::kafka_door {

// For one answer.
class LeaderHints {
 public:
  struct Node {
    int32_t id = -1;
    std::string host;
    int32_t port = 0;
    std::string rack;
  };
  struct Leader {
    int32_t leader_id = -1;
    int32_t leader_epoch = -1;
  };

  // `listener`: whose addresses the client can use.
  LeaderHints(const api::BrokerContext& context, const std::string& listener)
      : context_(context), listener_(listener) {}

  // Empty unless `error_code` is about leadership and another broker, which has
  // such a listener, is known to lead.
  std::optional<Leader> Find(int16_t error_code, const std::string& topic,
                             int32_t partition);
  // Of the leaders found.
  const std::vector<Node>& nodes() const { return nodes_; }

 private:
  const api::BrokerContext& context_;
  const std::string listener_;
  std::shared_ptr<const ClusterView> view_;
  std::vector<Node> nodes_;
};

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_LEADER_HINTS_H_
