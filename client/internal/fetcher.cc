#include "client/internal/fetcher.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "proto/wire/payload_codec.h"

namespace sillok::client {
namespace {

constexpr int kLanes = 4;

v1::FetchRequest MakeRequest(const Fetcher::Options& options,
                             const std::vector<FetchPositions::Fetch>& fetches) {
  v1::FetchRequest request;
  request.set_max_wait_ms(static_cast<int32_t>(options.max_wait_ms));
  request.set_min_bytes(static_cast<int32_t>(options.min_bytes));
  request.set_max_bytes(static_cast<int32_t>(options.max_bytes));
  request.set_isolation_level(options.read_committed ? 1 : 0);
  request.set_client_id(options.client_id);
  for (const FetchPositions::Fetch& fetch : fetches) {
    v1::PartitionFetch* partition = request.add_partitions();
    partition->set_topic(fetch.id.topic);
    partition->set_partition(fetch.id.partition);
    partition->set_fetch_offset(fetch.offset);
    partition->set_max_bytes(static_cast<int32_t>(options.max_partition_bytes));
    partition->set_current_leader_epoch_plus_one(fetch.leader_epoch + 1);
  }
  return request;
}

}  // namespace

Fetcher::Fetcher(Loop* loop, ClusterClient* cluster, int32_t broker_id,
                 Options options, OnResults on_results)
    : loop_(loop),
      cluster_(cluster),
      broker_id_(broker_id),
      options_(std::move(options)),
      on_results_(std::move(on_results)) {
  for (int i = 0; i < kLanes; ++i) lanes_.push_back(std::make_unique<Lane>());
}

Fetcher::~Fetcher() { Abandon(); }

std::string Fetcher::Where() const {
  return "broker " + std::to_string(broker_id_) + " (" + address_ + ")";
}

bool Fetcher::HasRoom() const {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [](const auto& lane) { return !lane->busy; });
}

bool Fetcher::Open(Lane* lane) {
  const ClusterMetadata::Broker* broker =
      cluster_->metadata().FindBroker(broker_id_);
  if (broker == nullptr) return false;
  if (channel_ == nullptr || broker->address != address_) {
    address_ = broker->address;
    channel_ = cluster_->NewDataChannel(broker_id_);
  }
  lane->stream = RawStream::Open(
      loop_, channel_, "/sillok.v1.Broker/FetchStream",
      {[this, lane](Bytes message) { OnMessage(lane, std::move(message)); },
       nullptr,
       [this, lane](const grpc::Status& status) {
         lane->stream = nullptr;
         FailLane(lane, TransportError(Where(), status));
       }});
  return lane->stream != nullptr;
}

void Fetcher::Send(std::vector<FetchPositions::Fetch> fetches) {
  Lane* lane = std::find_if(lanes_.begin(), lanes_.end(), [](const auto& l) {
                 return !l->busy;
               })->get();
  lane->busy = true;
  lane->correlation_id = next_correlation_id_++;
  lane->fetches = std::move(fetches);
  lane->deadline = loop_->After(
      options_.max_wait_ms + options_.request_timeout_ms, [this, lane] {
        lane->deadline = {};
        FailLane(lane, ErrorStatus(ErrorCode::REQUEST_TIMED_OUT,
                                   Where() + ": no answer to a fetch in time"));
      });
  if (lane->stream == nullptr && !Open(lane)) {
    uint64_t id = lane->correlation_id;
    loop_->Post([this, lane, id] {
      if (lane->correlation_id != id) return;
      FailLane(lane, ErrorStatus(ErrorCode::BROKER_NOT_AVAILABLE,
                                 Where() + " is not known"));
    });
    return;
  }
  v1::FetchRequest request = MakeRequest(options_, lane->fetches);
  request.set_correlation_id(lane->correlation_id);
  lane->stream->Write(Bytes::FromString(request.SerializeAsString()));
}

void Fetcher::OnMessage(Lane* lane, Bytes message) {
  v1::FetchResponse response;
  std::vector<Bytes> batches;
  absl::Status parsed = ParseFetchResponse(message, &response, &batches);
  if (!parsed.ok() || !lane->busy ||
      response.correlation_id() != lane->correlation_id) {
    FailLane(lane, ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                               Where() + ": an answer that fits no fetch"));
    return;
  }
  ErrorCode all = FromProto(response.error_code());
  if (all != ErrorCode::NONE) {
    FailLane(lane, ErrorStatus(all, Where()));
    return;
  }
  loop_->Cancel(lane->deadline);
  lane->busy = false;
  std::vector<FetchPositions::Fetch> fetches =
      std::exchange(lane->fetches, {});
  std::vector<Result> results;
  for (int i = 0; i < response.partitions_size(); ++i) {
    const v1::PartitionFetchResult& answer = response.partitions(i);
    auto fetch = std::find_if(fetches.begin(), fetches.end(), [&](auto& f) {
      return f.id.partition == answer.partition() &&
             f.id.topic == answer.topic();
    });
    if (fetch == fetches.end()) continue;
    Result result{*fetch, {}};
    fetches.erase(fetch);
    result.outcome.code = FromProto(answer.error_code());
    result.outcome.message = answer.error_message();
    result.outcome.high_watermark = answer.high_watermark();
    result.outcome.last_stable_offset = answer.last_stable_offset();
    Bytes& data = batches[static_cast<size_t>(i)];
    if (result.outcome.code == ErrorCode::NONE && !data.empty()) {
      absl::Status status;
      result.outcome.chunk = MakeChunk(result.fetch.id, result.fetch.version,
                                       std::move(data), &status);
      if (!status.ok()) {
        result.outcome.code = ErrorCodeOf(status);
        result.outcome.message = std::string(status.message());
      }
      for (const v1::AbortedTransaction& aborted :
           answer.aborted_transactions()) {
        if (result.outcome.chunk == nullptr) break;
        result.outcome.chunk->aborted.emplace_back(aborted.producer_id(),
                                                   aborted.first_offset());
      }
    }
    results.push_back(std::move(result));
  }
  // What was not answered had no room; it is asked for again.
  for (FetchPositions::Fetch& fetch : fetches) {
    FetchPositions::FetchOutcome none;
    results.push_back({std::move(fetch), std::move(none)});
  }
  on_results_(std::move(results), absl::OkStatus());
}

void Fetcher::FailLane(Lane* lane, const absl::Status& status) {
  if (lane->stream != nullptr) {
    lane->stream->Close();
    lane->stream = nullptr;
  }
  loop_->Cancel(lane->deadline);
  if (!lane->busy) return;
  lane->busy = false;
  std::vector<Result> results;
  for (FetchPositions::Fetch& fetch : lane->fetches) {
    FetchPositions::FetchOutcome outcome;
    outcome.code = ErrorCode::NETWORK_EXCEPTION;
    results.push_back({std::move(fetch), std::move(outcome)});
  }
  lane->fetches.clear();
  on_results_(std::move(results), status);
}

void Fetcher::Abandon() {
  for (auto& lane : lanes_) {
    if (lane->stream != nullptr) lane->stream->Close();
    lane->stream = nullptr;
    loop_->Cancel(lane->deadline);
    lane->busy = false;
    lane->fetches.clear();
  }
}

}  // namespace sillok::client
