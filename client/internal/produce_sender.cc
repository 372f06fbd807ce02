#include "client/internal/produce_sender.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "proto/broker.pb.h"
#include "proto/wire/payload_codec.h"

namespace sillok::client {
namespace {

// The broker answers by its own deadline; this much later the stream is given up.
constexpr int64_t kGraceMs = 1'000;

}  // namespace

ProduceSender::ProduceSender(Loop* loop, ClusterClient* cluster,
                             int32_t broker_id, Options options,
                             OnOutcomes on_outcomes)
    : loop_(loop),
      cluster_(cluster),
      broker_id_(broker_id),
      options_(std::move(options)),
      on_outcomes_(std::move(on_outcomes)) {}

ProduceSender::~ProduceSender() {
  if (stream_ != nullptr) stream_->Close();
  if (deadline_armed_) loop_->Cancel(deadline_);
}

std::string ProduceSender::Where() const {
  return "broker " + std::to_string(broker_id_) +
         (address_.empty() ? "" : " (" + address_ + ")");
}

void ProduceSender::Send(std::vector<BatchPtr> batches) {
  const ClusterMetadata::Broker* broker =
      cluster_->metadata().FindBroker(broker_id_);
  // A broker that came back elsewhere is reached by a new stream.
  if (stream_ != nullptr && broker != nullptr && requests_.empty() &&
      broker->address != address_) {
    stream_->Close();
    stream_ = nullptr;
  }
  if (stream_ == nullptr && broker != nullptr) {
    address_ = broker->address;
    stream_ = RawStream::Open(
        loop_, cluster_->NewDataChannel(broker_id_),
        "/sillok.v1.Broker/ProduceStream",
        {[this](Bytes message) { OnMessage(message); },
         [this] { OnWritten(); },
         [this](const grpc::Status& status) {
           stream_ = nullptr;
           Abort(TransportError(Where(), status));
         }});
  }
  requests_.push_back({next_correlation_id_++,
                       loop_->NowMs() + options_.request_timeout_ms + kGraceMs,
                       std::move(batches)});
  if (stream_ == nullptr) {
    loop_->Post([this] {
      Abort(ErrorStatus(ErrorCode::BROKER_NOT_AVAILABLE,
                        Where() + " is not known"));
    });
    return;
  }
  stream_->Write(Encode(requests_.back()));
  ArmDeadline();
}

Bytes ProduceSender::Encode(const Request& request) const {
  v1::ProduceRequest head;
  head.set_correlation_id(request.correlation_id);
  head.set_acks(options_.acks);
  head.set_timeout_ms(static_cast<int32_t>(options_.request_timeout_ms));
  head.set_client_id(options_.client_id);
  std::vector<Bytes> payloads;
  for (const BatchPtr& batch : request.batches) {
    v1::PartitionProduce* partition = head.add_partitions();
    partition->set_topic(batch->partition.topic);
    partition->set_partition(batch->partition.partition);
    // The message holds the batch as long as the network needs its bytes.
    payloads.emplace_back().Append(
        {batch->writer.data(), batch->writer.out_size(), batch});
  }
  return SerializeProduceRequest(std::move(head), payloads);
}

void ProduceSender::OnMessage(const Bytes& message) {
  std::string scratch;
  std::string_view flat = message.Flat(&scratch);
  v1::ProduceResponse response;
  bool parsed = response.ParseFromArray(flat.data(),
                                        static_cast<int>(flat.size()));
  auto request = std::find_if(
      requests_.begin(), requests_.end(), [&](const Request& r) {
        return r.correlation_id == response.correlation_id();
      });
  if (!parsed || request == requests_.end() ||
      response.partitions_size() !=
          static_cast<int>(request->batches.size())) {
    if (stream_ != nullptr) stream_->Close();
    stream_ = nullptr;
    Abort(ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                      Where() + ": an answer that fits no request"));
    return;
  }
  std::vector<ProduceOutcome> outcomes;
  for (int i = 0; i < response.partitions_size(); ++i) {
    const v1::PartitionProduceResult& result = response.partitions(i);
    ProduceOutcome outcome;
    outcome.batch = std::move(request->batches[static_cast<size_t>(i)]);
    outcome.code = FromProto(result.error_code());
    outcome.base_offset = result.base_offset();
    outcome.log_append_time_ms = result.log_append_time_ms();
    if (outcome.code != ErrorCode::NONE) {
      std::string detail = result.error_message().empty()
                               ? std::string(ErrorMessage(outcome.code))
                               : result.error_message();
      outcome.status = ErrorStatus(
          outcome.code,
          outcome.batch->partition.ToString() + " on " + Where() + ": " +
              detail);
    }
    outcomes.push_back(std::move(outcome));
  }
  requests_.erase(request);
  on_outcomes_(std::move(outcomes));
}

void ProduceSender::OnWritten() {
  if (options_.acks != 0 || requests_.empty()) return;
  std::vector<ProduceOutcome> outcomes;
  for (BatchPtr& batch : requests_.front().batches) {
    outcomes.push_back({std::move(batch), absl::OkStatus()});
  }
  requests_.pop_front();
  on_outcomes_(std::move(outcomes));
}

void ProduceSender::Abort(const absl::Status& status) {
  if (stream_ != nullptr) {
    stream_->Close();
    stream_ = nullptr;
  }
  std::vector<ProduceOutcome> outcomes;
  for (Request& request : requests_) {
    for (BatchPtr& batch : request.batches) {
      outcomes.push_back({std::move(batch), status, ErrorCodeOf(status)});
    }
  }
  requests_.clear();
  if (!outcomes.empty()) on_outcomes_(std::move(outcomes));
}

void ProduceSender::ArmDeadline() {
  if (deadline_armed_ || requests_.empty()) return;
  deadline_armed_ = true;
  deadline_ = loop_->After(requests_.front().deadline_ms - loop_->NowMs(),
                           [this] { OnDeadline(); });
}

void ProduceSender::OnDeadline() {
  deadline_armed_ = false;
  if (!requests_.empty() &&
      requests_.front().deadline_ms <= loop_->NowMs()) {
    Abort(ErrorStatus(ErrorCode::REQUEST_TIMED_OUT,
                      Where() + ": no answer in " +
                          std::to_string(options_.request_timeout_ms) +
                          " ms"));
  }
  ArmDeadline();
}

}  // namespace sillok::client
