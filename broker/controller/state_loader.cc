#include "broker/controller/state_loader.h"

#include <algorithm>
#include <charconv>
#include <deque>
#include <utility>

#include "broker/metadata/store_calls.h"
#include "fmt/core.h"
#include "glog/logging.h"

namespace sillok {
namespace {

// Requests under way at once: fills the pipe without filling the session's
// bound on outstanding calls.
constexpr size_t kWindow = 2048;

// A set of reads that lead to further reads. Keeps itself alive until done. On
// its strand throughout.
class ReadAll : public std::enable_shared_from_this<ReadAll> {
 public:
  using Handler = std::function<void(const v1::CoordResponse&)>;

  ReadAll(std::shared_ptr<MetadataStore> store, std::shared_ptr<Strand> strand)
      : store_(std::move(store)), strand_(std::move(strand)) {}

  // `handler` gets OK and NO_NODE answers; any other ends everything.
  void Read(v1::CoordRequest request, Handler handler) {
    waiting_.emplace_back(std::move(request), std::move(handler));
  }

  void Run(std::function<void(absl::Status)> done) {
    done_ = std::move(done);
    Pump();
  }

 private:
  void Pump() {
    while (outstanding_ < kWindow && !waiting_.empty() && !failed_) {
      auto [request, handler] = std::move(waiting_.front());
      waiting_.pop_front();
      ++outstanding_;
      store_->Call(std::move(request),
                   [self = shared_from_this(), handler = std::move(handler)](
                       const v1::CoordResponse& response) {
                     self->strand_->Post([self, handler, response] {
                       self->OnReply(response, handler);
                     });
                   });
    }
    if (outstanding_ == 0 && waiting_.empty() && done_) {
      std::exchange(done_, nullptr)(absl::OkStatus());
    }
  }

  void OnReply(const v1::CoordResponse& response, const Handler& handler) {
    --outstanding_;
    if (failed_) return;
    if (response.code() != v1::OK && response.code() != v1::NO_NODE) {
      failed_ = true;
      waiting_.clear();
      std::exchange(done_, nullptr)(absl::UnavailableError(fmt::format(
          "reading the cluster state: {}", v1::CoordCode_Name(response.code()))));
      return;
    }
    handler(response);
    Pump();
  }

  const std::shared_ptr<MetadataStore> store_;
  const std::shared_ptr<Strand> strand_;
  std::deque<std::pair<v1::CoordRequest, Handler>> waiting_;
  size_t outstanding_ = 0;
  bool failed_ = false;
  std::function<void(absl::Status)> done_;
};

using Reads = std::shared_ptr<ReadAll>;

void ReadBroker(const Reads& reads, const std::string& name,
                std::map<int32_t, LiveBroker>* brokers) {
  int32_t id = 0;
  auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), id);
  if (error != std::errc() || end != name.data() + name.size()) return;
  reads->Read(
      GetRequest(znode_path::Broker(id), /*watch=*/true),
      [id, brokers](const v1::CoordResponse& response) {
        if (response.code() == v1::NO_NODE) return;  // its watch will tell
        absl::StatusOr<BrokerZnode> znode = DecodeBroker(response.data());
        if (!znode.ok() || znode->Grpc() == nullptr) {
          LOG(ERROR) << "broker registration not understood broker=" << id
                     << " "
                     << (znode.ok() ? "no GRPC endpoint"
                                    : znode.status().ToString());
          return;
        }
        LiveBroker& broker = (*brokers)[id];
        broker.epoch = static_cast<int64_t>(response.stat().czxid());
        broker.address.set_broker_id(id);
        broker.address.set_host(znode->Grpc()->host);
        broker.address.set_port(znode->Grpc()->port);
        if (const BrokerEndpoint* kafka = znode->Kafka(); kafka != nullptr) {
          broker.address.set_kafka_port(kafka->port);
        }
        broker.address.set_rack(znode->rack);
        for (const BrokerEndpoint& endpoint : znode->endpoints) {
          v1::BrokerEndpoint* told = broker.address.add_endpoints();
          told->set_listener(endpoint.listener);
          told->set_security_protocol(endpoint.security_protocol);
          told->set_host(endpoint.host);
          told->set_port(endpoint.port);
        }
      });
}

void ReadBrokers(const Reads& reads, std::map<int32_t, LiveBroker>* brokers) {
  reads->Read(ChildrenRequest(znode_path::kBrokerIds, /*watch=*/true),
              // A plain pointer: the reads own their handlers.
              [reads = reads.get(), brokers](const v1::CoordResponse& response) {
                for (const std::string& name : response.children()) {
                  ReadBroker(reads->shared_from_this(), name, brokers);
                }
              });
}

// Reads one topic into loaded->state.topics; taken out again when a part of it
// cannot be understood.
class TopicReader {
 public:
  TopicReader(ReadAll* reads, LoadedState* loaded, std::string name)
      : reads_(reads), loaded_(loaded), name_(std::move(name)) {}

  void Read() {
    reads_->Read(GetRequest(znode_path::Topic(name_), false),
                 [copy = *this](const v1::CoordResponse& r) mutable {
                   copy.OnTopic(r);
                 });
  }

 private:
  void GiveUp(const absl::Status& status) {
    LOG(ERROR) << "topic left out topic=" << name_ << " " << status;
    loaded_->state.topics.erase(name_);
    loaded_->mzxids.erase(name_);
  }

  TopicEntry* Entry() {
    auto it = loaded_->state.topics.find(name_);
    return it == loaded_->state.topics.end() ? nullptr : &it->second;
  }

  void OnTopic(const v1::CoordResponse& response) {
    if (response.code() == v1::NO_NODE) return;
    absl::StatusOr<TopicZnode> znode = DecodeTopic(response.data());
    if (!znode.ok()) return GiveUp(znode.status());
    if (znode->topic_id.empty()) {
      return GiveUp(absl::DataLossError("the znode has no topic_id"));
    }
    TopicEntry& topic = loaded_->state.topics[name_];
    topic.name = name_;
    topic.id = znode->topic_id;
    topic.version = response.stat().version();
    for (auto& [number, replicas] : znode->partitions) {
      PartitionEntry& partition = topic.partitions.emplace_back();
      partition.number = number;
      partition.replicas = std::move(replicas);
    }
    ReadRest(topic);
  }

  void ReadRest(const TopicEntry& topic) {
    reads_->Read(GetRequest(znode_path::TopicConfig(name_), false),
                 [copy = *this](const v1::CoordResponse& r) mutable {
                   copy.OnConfig(r);
                 });
    reads_->Read(ExistsRequest(znode_path::TopicPartitions(name_), false),
                 [copy = *this](const v1::CoordResponse& r) mutable {
                   TopicEntry* entry = copy.Entry();
                   if (entry == nullptr) return;
                   entry->has_partitions_node = r.code() == v1::OK;
                 });
    for (const PartitionEntry& partition : topic.partitions) {
      const int32_t number = partition.number;
      reads_->Read(GetRequest(znode_path::PartitionState(name_, number), false),
                   [copy = *this, number](const v1::CoordResponse& r) mutable {
                     copy.OnState(number, r);
                   });
    }
  }

  void OnConfig(const v1::CoordResponse& response) {
    TopicEntry* topic = Entry();
    if (topic == nullptr || response.code() == v1::NO_NODE) return;
    topic->has_config_node = true;
    absl::StatusOr<std::map<std::string, std::string>> config =
        DecodeConfig(response.data());
    if (!config.ok()) return GiveUp(config.status());
    topic->configs = *std::move(config);
  }

  void OnState(int32_t number, const v1::CoordResponse& response) {
    TopicEntry* topic = Entry();
    if (topic == nullptr) return;
    if (response.code() == v1::NO_NODE) {
      reads_->Read(ExistsRequest(znode_path::Partition(name_, number), false),
                   [copy = *this, number](const v1::CoordResponse& r) mutable {
                     TopicEntry* entry = copy.Entry();
                     if (entry == nullptr) return;
                     entry->Find(number)->has_node = r.code() == v1::OK;
                   });
      return;
    }
    absl::StatusOr<PartitionStateZnode> state =
        DecodePartitionState(response.data());
    if (!state.ok()) return GiveUp(state.status());
    if (state->isr.empty()) {
      return GiveUp(absl::DataLossError(
          fmt::format("partition {} has an empty isr", number)));
    }
    PartitionEntry* partition = topic->Find(number);
    partition->has_node = true;
    partition->has_state = true;
    partition->leader = state->leader;
    partition->leader_epoch = state->leader_epoch;
    partition->isr = std::move(state->isr);
    partition->version = response.stat().version();
    loaded_->mzxids[name_][number] = response.stat().mzxid();
  }

  ReadAll* reads_;
  LoadedState* loaded_;
  std::string name_;
};

void ReadLeftover(const Reads& reads, const std::string& topic_id,
                  LoadedState* loaded) {
  reads->Read(GetRequest(znode_path::DeletedReplicas(topic_id), false),
              [topic_id, loaded](const v1::CoordResponse& response) {
                if (response.code() == v1::NO_NODE) return;
                absl::StatusOr<DeletedReplicasZnode> znode =
                    DecodeDeletedReplicas(response.data());
                if (!znode.ok()) {
                  LOG(ERROR) << "deleted replicas not understood topic_id="
                             << topic_id << " " << znode.status();
                  return;
                }
                loaded->state.leftovers[topic_id] = {znode->topic,
                                                     znode->pending};
              });
}

void ReadBrokerConfig(const Reads& reads, const std::string& name,
                      LoadedState* loaded) {
  reads->Read(GetRequest(znode_path::BrokerConfig(name), false),
              [name, loaded](const v1::CoordResponse& response) {
                if (response.code() == v1::NO_NODE) return;
                absl::StatusOr<std::map<std::string, std::string>> config =
                    DecodeConfig(response.data());
                LOG_IF(ERROR, !config.ok())
                    << "broker config not understood, taken as empty broker="
                    << name << " " << config.status();
                loaded->state.broker_configs[name] =
                    std::move(config).value_or(
                        std::map<std::string, std::string>());
              });
}

// Partition znodes of a deleted topic that its assignment does not name would
// keep the deletion from ending.
void ReadStrayPartitions(const Reads& reads, const std::string& name,
                         LoadedState* loaded) {
  reads->Read(
      ChildrenRequest(znode_path::TopicPartitions(name), false),
      [reads = reads.get(), name, loaded](const v1::CoordResponse& response) {
        for (const std::string& child : response.children()) {
          int32_t number = -1;
          std::from_chars(child.data(), child.data() + child.size(), number);
          auto it = loaded->state.topics.find(name);
          if (number < 0 || it == loaded->state.topics.end()) continue;
          if (it->second.Find(number) != nullptr) continue;
          reads->Read(
              ExistsRequest(znode_path::PartitionState(name, number), false),
              [name, number, loaded](const v1::CoordResponse& state) {
                PartitionEntry stray;
                stray.number = number;
                stray.has_node = true;
                stray.has_state = state.code() == v1::OK;
                std::vector<PartitionEntry>& all =
                    loaded->state.topics[name].partitions;
                auto at = std::find_if(
                    all.begin(), all.end(),
                    [&](const auto& p) { return p.number > number; });
                all.insert(at, stray);
              });
        }
      });
}

// Markers and names are known: builds the indices of the final state.
void Assemble(const std::vector<std::string>& configs,
              const std::vector<std::string>& markers, LoadedState* loaded) {
  ClusterState& state = loaded->state;
  std::map<std::string, TopicEntry> topics;
  topics.swap(state.topics);
  state.orphan_configs.insert(configs.begin(), configs.end());
  for (const std::string& marker : markers) {
    if (topics.count(marker) == 0) state.orphan_markers.insert(marker);
  }
  for (auto& [name, topic] : topics) {
    if (std::find(markers.begin(), markers.end(), name) != markers.end()) {
      topic.deleting = true;
      topic.has_marker = true;
      // Every stream begins with a snapshot, which tells of it.
      topic.told_version = 1;
      for (const PartitionEntry& partition : topic.partitions) {
        for (int32_t id : partition.replicas) {
          topic.undeleted[id].insert(partition.number);
        }
      }
    }
    state.AddTopic(std::move(topic));
  }
}

std::vector<std::string> Names(const v1::CoordResponse& response) {
  return {response.children().begin(), response.children().end()};
}

}  // namespace

void LoadBrokers(
    std::shared_ptr<MetadataStore> store, std::shared_ptr<Strand> strand,
    std::function<void(absl::StatusOr<std::map<int32_t, LiveBroker>>)> done) {
  auto reads = std::make_shared<ReadAll>(std::move(store), std::move(strand));
  auto brokers = std::make_shared<std::map<int32_t, LiveBroker>>();
  ReadBrokers(reads, brokers.get());
  reads->Run([brokers, done = std::move(done)](absl::Status status) {
    if (status.ok()) {
      done(std::move(*brokers));
    } else {
      done(status);
    }
  });
}

void LoadTopicListing(
    std::shared_ptr<MetadataStore> store, std::shared_ptr<Strand> strand,
    std::function<bool(const std::string& topic)> is_known,
    std::function<void(absl::StatusOr<TopicListing>)> done) {
  auto reads = std::make_shared<ReadAll>(std::move(store), std::move(strand));
  auto listing = std::make_shared<TopicListing>();
  listing->found = std::make_shared<LoadedState>();
  reads->Read(ChildrenRequest(znode_path::kDeleteTopics, true),
              [out = listing.get()](const v1::CoordResponse& response) {
                out->delete_markers = Names(response);
              });
  reads->Read(ChildrenRequest(znode_path::kTopics, true),
              [reads = reads.get(), out = listing.get(),
               is_known](const v1::CoordResponse& response) {
                out->topics = Names(response);
                for (const std::string& name : out->topics) {
                  if (is_known(name)) continue;
                  TopicReader(reads, out->found.get(), name).Read();
                }
              });
  reads->Run([listing, done = std::move(done)](absl::Status status) {
    if (status.ok()) {
      done(std::move(*listing));
    } else {
      done(status);
    }
  });
}

void LoadState(
    std::shared_ptr<MetadataStore> store, std::shared_ptr<Strand> strand,
    std::function<void(absl::StatusOr<std::shared_ptr<LoadedState>>)> done) {
  auto reads = std::make_shared<ReadAll>(std::move(store), std::move(strand));
  auto loaded = std::make_shared<LoadedState>();
  struct Lists {
    std::vector<std::string> configs;
    std::vector<std::string> markers;
  };
  auto lists = std::make_shared<Lists>();
  ReadBrokers(reads, &loaded->state.brokers);
  reads->Read(GetRequest(znode_path::kClusterId, false),
              [loaded = loaded.get()](const v1::CoordResponse& response) {
                loaded->state.cluster_id =
                    DecodeClusterId(response.data()).value_or("");
              });
  reads->Read(ChildrenRequest(znode_path::kTopicConfigs, false),
              [lists](const v1::CoordResponse& response) {
                lists->configs = Names(response);
              });
  reads->Read(ChildrenRequest(znode_path::kBrokerConfigs, false),
              [reads = reads.get(), loaded = loaded.get()](
                  const v1::CoordResponse& response) {
                for (const std::string& name : response.children()) {
                  ReadBrokerConfig(reads->shared_from_this(), name, loaded);
                }
              });
  reads->Read(ChildrenRequest(znode_path::kDeletedReplicas, false),
              [reads = reads.get(), loaded = loaded.get()](
                  const v1::CoordResponse& response) {
                for (const std::string& id : response.children()) {
                  ReadLeftover(reads->shared_from_this(), id, loaded);
                }
              });
  reads->Read(ChildrenRequest(znode_path::kTopics, true),
              [reads = reads.get(), loaded = loaded.get()](
                  const v1::CoordResponse& response) {
                for (const std::string& name : response.children()) {
                  TopicReader(reads, loaded, name).Read();
                }
              });
  reads->Read(ChildrenRequest(znode_path::kDeleteTopics, true),
              [reads = reads.get(), loaded = loaded.get(),
               lists](const v1::CoordResponse& response) {
                lists->markers = Names(response);
                for (const std::string& name : lists->markers) {
                  ReadStrayPartitions(reads->shared_from_this(), name, loaded);
                }
              });
  reads->Run([loaded, lists, done = std::move(done)](absl::Status status) {
    if (!status.ok()) return done(status);
    Assemble(lists->configs, lists->markers, loaded.get());
    done(loaded);
  });
}

}  // namespace sillok
