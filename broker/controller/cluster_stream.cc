#include "broker/controller/cluster_stream.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "base/rpc/channel.h"
#include "glog/logging.h"
#include "proto/cluster.grpc.pb.h"

namespace sillok {
namespace {

// One stream to one controller. Owns itself until gRPC is done with it. Its
// owner starts writes and the next read from outside of reactions, under a hold,
// until it lets go.
class Call final
    : public grpc::ClientBidiReactor<v1::BrokerReport, v1::ClusterUpdate>,
      public std::enable_shared_from_this<Call> {
 public:
  struct Events {
    std::function<void()> read;        // update() is there
    std::function<void(bool ok)> written;
    std::function<void()> ended;       // nothing more to read
  };

  Call(std::shared_ptr<grpc::Channel> channel, Events events)
      : stub_(v1::ClusterControl::NewStub(channel)),
        events_(std::move(events)) {}

  void Begin() {
    self_ = shared_from_this();
    stub_->async()->ClusterState(&context_, this);
    AddHold();
    StartRead(&update_);
    StartCall();
  }
  const v1::ClusterUpdate& update() const { return update_; }
  void ReadNext() { StartRead(&update_); }
  void Write(v1::BrokerReport report) {
    report_ = std::move(report);
    StartWrite(&report_);
  }
  // No ReadNext or Write after it.
  void LetGo() {
    context_.TryCancel();
    RemoveHold();
  }

  void OnReadDone(bool ok) override { ok ? events_.read() : events_.ended(); }
  void OnWriteDone(bool ok) override { events_.written(ok); }
  void OnDone(const grpc::Status& status) override {
    VLOG(1) << "update stream ended: " << status.error_message();
    self_.reset();
  }

 private:
  std::unique_ptr<v1::ClusterControl::Stub> stub_;
  grpc::ClientContext context_;
  const Events events_;
  v1::ClusterUpdate update_;
  v1::BrokerReport report_;
  std::shared_ptr<Call> self_;
};

}  // namespace

class ClusterStream::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(ClusterStreamOptions options, ControllerFinder* finder,
       Executor* executor, Timer* timer, OnUpdate on_update)
      : options_(std::move(options)),
        finder_(finder),
        strand_(executor),
        timer_(timer),
        on_update_(std::move(on_update)) {}

  void Init() {
    finder_->AddListener(
        [weak = weak_from_this()](const ControllerLocation& location) {
          if (auto self = weak.lock()) {
            self->Post([location](Impl* impl) { impl->OnController(location); });
          }
        });
  }

  void Post(std::function<void(Impl*)> task) {
    strand_.Post([self = shared_from_this(), task = std::move(task)] {
      task(self.get());
    });
  }

  void SetEpoch(std::optional<BrokerEpoch> epoch) {
    if (epoch_ == epoch) return;
    epoch_ = epoch;
    Redial();
  }

  void ReportDeleted(const std::vector<v1::DeletedReplica>& replicas) {
    deleted_.insert(deleted_.end(), replicas.begin(), replicas.end());
    report_wanted_ = true;
    WriteReport();
  }

  void Stop() {
    EndCall();
    epoch_.reset();
  }

  std::atomic<bool> stopped{false};
  std::atomic<bool> connected{false};

 private:
  void OnController(const ControllerLocation& location) {
    if (location == location_) return;
    location_ = location;
    backoff_ms_ = 0;
    Redial();
  }

  // ---- one stream

  void Redial() {
    EndCall();
    if (stopped || !epoch_ || location_.broker_id == kNoBroker) return;
    Dial();
  }

  void Dial() {
    const uint64_t number = ++call_number_;
    auto on_strand = [weak = weak_from_this(), number](auto task) {
      auto self = weak.lock();
      if (!self) return;
      self->Post([number, task](Impl* impl) {
        if (impl->call_ != nullptr && impl->call_number_ == number) task(impl);
      });
    };
    Call::Events events;
    events.read = [on_strand] {
      on_strand([](Impl* impl) { impl->OnRead(); });
    };
    events.written = [on_strand](bool ok) {
      on_strand([ok](Impl* impl) { impl->OnWritten(ok); });
    };
    events.ended = [on_strand] {
      on_strand([](Impl* impl) { impl->OnEnded(); });
    };
    call_ = std::make_shared<Call>(channels_.Get(location_.address),
                                   std::move(events));
    next_sequence_ = 1;
    applied_sequence_ = 0;
    writing_ = false;
    call_->Begin();
    report_wanted_ = true;  // the hello
    WriteReport();
  }

  void EndCall() {
    connected = false;
    ++call_number_;
    if (call_ == nullptr) return;
    // What the broken stream took may not have arrived.
    deleted_.insert(deleted_.end(), deleted_sent_.begin(), deleted_sent_.end());
    deleted_sent_.clear();
    std::exchange(call_, nullptr)->LetGo();
  }

  void OnEnded() {
    EndCall();
    // Who ended the stream may be the controller no more.
    finder_->Refresh();
    DialLater();
  }

  void DialLater() {
    backoff_ms_ = std::clamp(backoff_ms_ * 2, options_.reconnect_backoff_ms,
                             options_.reconnect_backoff_max_ms);
    timer_->After(backoff_ms_, [weak = weak_from_this(),
                                number = call_number_] {
      auto self = weak.lock();
      if (!self) return;
      self->Post([number](Impl* impl) {
        if (impl->call_number_ == number) impl->Redial();
      });
    });
  }

  void OnRead() {
    const v1::ClusterUpdate& update = call_->update();
    if (update.sequence() != next_sequence_ ||
        update.snapshot() != (next_sequence_ == 1 || update.snapshot()) ||
        update.broker_epoch() != epoch_->value()) {
      LOG(WARNING) << "update out of order sequence=" << update.sequence()
                   << " expected=" << next_sequence_
                   << " broker_epoch=" << update.broker_epoch();
      return OnEnded();
    }
    if (stopped) return;
    ++next_sequence_;
    // The call stays while the update is in use.
    on_update_(update, [weak = weak_from_this(), call = call_,
                        number = call_number_](bool ok) {
      auto self = weak.lock();
      if (!self) return;
      self->Post([number, ok](Impl* impl) {
        if (impl->call_ != nullptr && impl->call_number_ == number) {
          impl->OnApplied(ok);
        }
      });
    });
  }

  void OnApplied(bool ok) {
    if (!ok) return OnEnded();
    backoff_ms_ = 0;
    connected = true;
    applied_sequence_ = next_sequence_ - 1;
    report_wanted_ = true;
    WriteReport();
    call_->ReadNext();
  }

  // One write at a time; what comes meanwhile goes with the next one.
  void WriteReport() {
    if (call_ == nullptr || writing_ || !report_wanted_) return;
    report_wanted_ = false;
    writing_ = true;
    v1::BrokerReport report;
    report.set_broker_id(options_.broker_id.value());
    report.set_broker_epoch(epoch_->value());
    report.set_applied_sequence(applied_sequence_);
    // The hello carries none: the controller knows no stream yet.
    if (said_hello_ == call_number_) {
      for (const v1::DeletedReplica& replica : deleted_) {
        *report.add_deleted() = replica;
      }
      deleted_sent_ = std::exchange(deleted_, {});
    } else {
      said_hello_ = call_number_;
      if (!deleted_.empty()) report_wanted_ = true;
    }
    call_->Write(std::move(report));
  }

  void OnWritten(bool ok) {
    writing_ = false;
    if (!ok) return;  // the read side will end the stream
    deleted_sent_.clear();
    WriteReport();
  }

  const ClusterStreamOptions options_;
  ControllerFinder* const finder_;
  Strand strand_;
  Timer* const timer_;
  const OnUpdate on_update_;
  rpc::ChannelPool channels_;

  // On the strand.
  std::optional<BrokerEpoch> epoch_;
  ControllerLocation location_;
  std::shared_ptr<Call> call_;
  uint64_t call_number_ = 0;  // raised with each call and each end of one
  uint64_t said_hello_ = 0;   // number of the call that has been greeted
  uint64_t next_sequence_ = 1;
  uint64_t applied_sequence_ = 0;
  bool writing_ = false;
  bool report_wanted_ = false;
  std::vector<v1::DeletedReplica> deleted_;       // to be told
  std::vector<v1::DeletedReplica> deleted_sent_;  // with the write under way
  int64_t backoff_ms_ = 0;
};

ClusterStream::ClusterStream(ClusterStreamOptions options,
                             ControllerFinder* finder, Executor* executor,
                             Timer* timer, OnUpdate on_update)
    : impl_(std::make_shared<Impl>(std::move(options), finder, executor, timer,
                                   std::move(on_update))) {
  impl_->Init();
}

ClusterStream::~ClusterStream() { Stop(); }

void ClusterStream::SetBrokerEpoch(BrokerEpoch epoch) {
  impl_->Post([epoch](Impl* impl) { impl->SetEpoch(epoch); });
}

void ClusterStream::ClearBrokerEpoch() {
  impl_->Post([](Impl* impl) { impl->SetEpoch(std::nullopt); });
}

void ClusterStream::ReportDeleted(std::vector<v1::DeletedReplica> replicas) {
  impl_->Post([replicas = std::move(replicas)](Impl* impl) {
    impl->ReportDeleted(replicas);
  });
}

void ClusterStream::Stop() {
  impl_->stopped = true;
  impl_->Post([](Impl* impl) { impl->Stop(); });
}

bool ClusterStream::Connected() const { return impl_->connected; }

}  // namespace sillok
