// Reads the cluster's state from the znodes, for a new controller.
#ifndef SILLOK_BROKER_CONTROLLER_STATE_LOADER_H_
#define SILLOK_BROKER_CONTROLLER_STATE_LOADER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/strand.h"
#include "broker/controller/cluster_state.h"
#include "broker/metadata/metadata_store.h"

namespace sillok {

struct LoadedState {
  ClusterState state;  // without the controller's id and epoch
  // Of each partition with a state: the zxid of its last write.
  std::map<std::string, std::map<int32_t, uint64_t>> mzxids;
};

// All loads: called on `strand`, `done` runs there. Reads are pipelined. Watches
// are armed by the reads themselves, so that no change after a read is missed.
// An error is one of the store (connection lost, session expired); a znode that
// cannot be understood leaves its topic or broker out, with an ERROR in the log.

// Watches /brokers/ids, each broker, /brokers/topics, /admin/delete_topics.
void LoadState(
    std::shared_ptr<MetadataStore> store, std::shared_ptr<Strand> strand,
    std::function<void(absl::StatusOr<std::shared_ptr<LoadedState>>)> done);

// The brokers alone, with their watches.
void LoadBrokers(
    std::shared_ptr<MetadataStore> store, std::shared_ptr<Strand> strand,
    std::function<void(absl::StatusOr<std::map<int32_t, LiveBroker>>)> done);

struct TopicListing {
  std::vector<std::string> topics;
  std::vector<std::string> delete_markers;
  // Those of `topics` that are not in `known`, read whole.
  std::shared_ptr<LoadedState> found;
};
// The children of /brokers/topics and /admin/delete_topics, with their watches.
// `is_known` tells which topics need not be read.
void LoadTopicListing(
    std::shared_ptr<MetadataStore> store, std::shared_ptr<Strand> strand,
    std::function<bool(const std::string& topic)> is_known,
    std::function<void(absl::StatusOr<TopicListing>)> done);

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_STATE_LOADER_H_
