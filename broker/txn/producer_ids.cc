#include "broker/txn/producer_ids.h"

#include <deque>
#include <utility>

#include "broker/metadata/store_calls.h"
#include "broker/txn/producer_id_block.h"
#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok {
namespace {

// Beyond it, callers are told to come again.
constexpr size_t kMostWaiting = 10'000;

}  // namespace

// All on its strand.
struct ProducerIds::Impl : std::enable_shared_from_this<ProducerIds::Impl> {
  Impl(BrokerId broker_id, MetadataStore* store, Executor* executor)
      : broker_id(broker_id), store(store), strand(executor) {}

  void Next(Done done) {
    if (stopped) {
      return done({ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
                   "this broker is stopping", ProducerId(-1)});
    }
    if (const auto id = supply.Take(); id.has_value()) {
      done({ErrorCode::NONE, "", ProducerId(*id)});
    } else if (waiting.size() >= kMostWaiting) {
      done({ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
            fmt::format("{} others wait for producer ids", waiting.size()),
            ProducerId(-1)});
    } else {
      waiting.push_back(std::move(done));
    }
    if (supply.WantsBlock() && !claiming) Claim();
  }

  void Claim() {
    claiming = true;
    Call(GetRequest(kProducerIdBlockPath, false),
         [this](const v1::CoordResponse& response) { OnRead(response); });
  }

  void OnRead(const v1::CoordResponse& response) {
    const bool absent = response.code() == v1::NO_NODE;
    if (!absent && response.code() != v1::OK) return Away(response.code());
    const auto block = ProducerIdBlockAfter(response.data(), broker_id.value());
    if (!block.ok()) {
      LOG(ERROR) << "no producer ids can be given: " << block.status();
      return Fail(ErrorCode::UNKNOWN_SERVER_ERROR,
                  std::string(block.status().message()));
    }
    v1::CoordRequest write;
    if (absent) {
      write = CreateRequest(kProducerIdBlockPath, EncodeProducerIdBlock(*block));
    } else {
      v1::SetDataOp* set = write.mutable_write()->mutable_set_data();
      set->set_path(kProducerIdBlockPath);
      set->set_data(EncodeProducerIdBlock(*block));
      set->set_version(response.stat().version());
    }
    Call(std::move(write),
         [this, block = *block](const v1::CoordResponse& written) {
           OnWritten(block, written.code());
         });
  }

  void OnWritten(const ProducerIdBlock& block, v1::CoordCode code) {
    switch (code) {
      case v1::OK:
        break;
      case v1::BAD_VERSION:
      case v1::NODE_EXISTS:
      case v1::NO_NODE:  // another broker was first
        return Claim();
      default:  // perhaps written: then the block is lost
        return Away(code);
    }
    LOG(INFO) << "producer ids claimed: " << block.first << ".." << block.last;
    claiming = false;
    supply.Add(block);
    // Who waits may ask again from inside its callback, at the end of the line.
    std::deque<Done> served = std::exchange(waiting, {});
    for (Done& done : served) Next(std::move(done));
  }

  void Away(v1::CoordCode code) {
    LOG(WARNING) << "no producer ids from the coordinator: "
                 << v1::CoordCode_Name(code);
    Fail(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
         fmt::format("the coordinator gives no producer ids now: {}",
                     v1::CoordCode_Name(code)));
  }

  void Fail(ErrorCode error, const std::string& message) {
    claiming = false;
    std::deque<Done> refused = std::exchange(waiting, {});
    for (Done& done : refused) done({error, message, ProducerId(-1)});
  }

  void Call(v1::CoordRequest request,
            std::function<void(const v1::CoordResponse&)> next) {
    store->Call(std::move(request),
                [self = shared_from_this(),
                 next = std::move(next)](const v1::CoordResponse& response) {
                  self->strand.Post(
                      [self, next, response] { next(response); });
                });
  }

  const BrokerId broker_id;
  MetadataStore* const store;
  Strand strand;
  ProducerIdSupply supply;
  std::deque<Done> waiting;
  bool claiming = false;
  bool stopped = false;
};

ProducerIds::ProducerIds(BrokerId broker_id, MetadataStore* store,
                         Executor* executor)
    : impl_(std::make_shared<Impl>(broker_id, store, executor)) {}

ProducerIds::~ProducerIds() = default;

void ProducerIds::Stop() {
  impl_->strand.Dispatch([impl = impl_] {
    impl->stopped = true;
    impl->Fail(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
               "this broker is stopping");
  });
}

void ProducerIds::Next(Done done) {
  impl_->strand.Dispatch([impl = impl_, done = std::move(done)]() mutable {
    impl->Next(std::move(done));
  });
}

}  // namespace sillok
