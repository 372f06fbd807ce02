// ClusterMetadata: what a client knows of brokers, topics and leaders. Pure.
#ifndef SILLOK_CLIENT_INTERNAL_CLUSTER_METADATA_H_
#define SILLOK_CLIENT_INTERNAL_CLUSTER_METADATA_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "proto/broker.pb.h"

namespace sillok::client {

struct PartitionLeader {
  int32_t broker_id = -1;  // -1 = none
  int32_t epoch = -1;
};

class ClusterMetadata {
 public:
  struct Broker {
    std::string address;  // host:port
    std::string host;
    int port = 0;
  };
  struct Topic {
    ErrorCode error = ErrorCode::NONE;
    std::string error_message;
    std::string topic_id;
    bool internal = false;
    std::vector<PartitionLeader> partitions;  // by number
  };

  // Takes over an answer. Brokers are replaced; topics not in the answer stay as
  // they were, unless it was to name all: then they are no more. A partition's leader never goes back to an older epoch (a broker
  // may answer from the past), except when the topic was made anew.
  void Update(const v1::MetadataResponse& response, bool all_topics = false);

  const Broker* FindBroker(int32_t id) const;
  const std::map<int32_t, Broker>& brokers() const { return brokers_; }
  // Null when it was never in an answer.
  const Topic* FindTopic(const std::string& name) const;
  const std::map<std::string, Topic>& topics() const { return topics_; }
  // {-1, -1} when unknown.
  PartitionLeader Leader(const TopicPartition& partition) const;
  int32_t controller_id() const { return controller_id_; }
  const std::string& cluster_id() const { return cluster_id_; }

 private:
  std::map<int32_t, Broker> brokers_;
  std::map<std::string, Topic> topics_;
  int32_t controller_id_ = -1;
  std::string cluster_id_;
};

// As the answer's field: a code this version does not know is
// UNKNOWN_SERVER_ERROR.
inline ErrorCode FromProto(v1::ErrorCode code) {
  return ErrorCodeFromNumber(static_cast<int>(code));
}

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_CLUSTER_METADATA_H_
