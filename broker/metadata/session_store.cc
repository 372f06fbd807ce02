#include "broker/metadata/session_store.h"

#include <future>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "glog/logging.h"

namespace sillok {

struct SessionStore::Impl : std::enable_shared_from_this<Impl> {
  explicit Impl(Executor* executor) : strand(executor) {}

  // On the strand, as all callbacks of the session are.
  void OnState(coord::SessionState state) {
    Event event;
    switch (state) {
      case coord::SessionState::kConnected:
        event.link = Link::kConnected;
        break;
      case coord::SessionState::kExpired:
        LOG(WARNING) << "coordinator session expired";
        event.link = Link::kExpired;
        break;
      case coord::SessionState::kConnecting:
      case coord::SessionState::kClosed:
      case coord::SessionState::kAuthFailed:
        event.link = Link::kDisconnected;
        break;
    }
    {
      std::lock_guard<std::mutex> lock(mutex);
      connected = event.link == Link::kConnected;
    }
    Tell(event);
    if (state == coord::SessionState::kExpired) {
      std::shared_ptr<coord::Session> now = Current();
      if (now != nullptr) now->Restart();
    }
  }

  void Tell(const Event& event) {
    std::vector<Listener> all;
    {
      std::lock_guard<std::mutex> lock(mutex);
      all = listeners;
    }
    for (const Listener& listener : all) listener(event);
  }

  std::shared_ptr<coord::Session> Current() const {
    std::lock_guard<std::mutex> lock(mutex);
    return session;
  }

  // For reads that ask for a watch.
  coord::Watcher MakeWatcher(bool wanted) {
    if (!wanted) return nullptr;
    return [weak = weak_from_this()](const v1::WatchEvent& watch) {
      auto self = weak.lock();
      if (!self) return;
      Event event;
      event.kind = Event::Kind::kWatch;
      event.watch = watch;
      self->Tell(event);
    };
  }

  Strand strand;
  mutable std::mutex mutex;
  std::shared_ptr<coord::Session> session;
  bool connected = false;
  std::vector<Listener> listeners;
};

namespace {

void CallWrite(coord::Session* session, v1::WriteOp op,
               MetadataStore::Reply reply) {
  auto answer = [reply](v1::CoordCode code, const std::string& path,
                        const v1::Stat& stat) {
    v1::CoordResponse response;
    response.set_code(code);
    response.mutable_write()->set_code(code);
    response.mutable_write()->set_path(path);
    *response.mutable_write()->mutable_stat() = stat;
    reply(response);
  };
  switch (op.op_case()) {
    case v1::WriteOp::kCreate:
      session->Create(op.create().path(), op.create().data(),
                      op.create().mode(),
                      [answer](const coord::CreateResult& result) {
                        answer(result.code, result.path, result.stat);
                      });
      return;
    case v1::WriteOp::kDelete:
      session->Delete(op.delete_().path(), op.delete_().version(),
                      [answer](v1::CoordCode code) { answer(code, "", {}); });
      return;
    case v1::WriteOp::kSetData:
      session->SetData(op.set_data().path(), op.set_data().data(),
                       op.set_data().version(),
                       [answer](const coord::StatResult& result) {
                         answer(result.code, "", result.stat);
                       });
      return;
    default:
      LOG(FATAL) << "a write of no kind: " << op.ShortDebugString();
  }
}

}  // namespace

SessionStore::SessionStore(coord::SessionOptions options, Executor* executor,
                           Timer* timer)
    : impl_(std::make_shared<Impl>(executor)) {
  auto session = std::make_shared<coord::Session>(
      std::move(options), executor, timer, &impl_->strand,
      [weak = std::weak_ptr<Impl>(impl_)](coord::SessionState state) {
        if (auto self = weak.lock()) self->OnState(state);
      });
  std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->session = std::move(session);
}

SessionStore::~SessionStore() {
  // On its strand, as the session wants to be destroyed.
  std::promise<void> gone;
  impl_->strand.Post([impl = impl_.get(), &gone] {
    std::shared_ptr<coord::Session> session;
    {
      std::lock_guard<std::mutex> lock(impl->mutex);
      session = std::move(impl->session);
      impl->listeners.clear();
      impl->connected = false;
    }
    session.reset();
    gone.set_value();
  });
  gone.get_future().wait();
}

void SessionStore::Call(v1::CoordRequest request, Reply reply) {
  std::shared_ptr<coord::Session> session = impl_->Current();
  if (session == nullptr) {
    v1::CoordResponse response;
    response.set_code(v1::SESSION_EXPIRED);
    impl_->strand.Post([reply = std::move(reply), response] {
      reply(response);
    });
    return;
  }
  switch (request.op_case()) {
    case v1::CoordRequest::kWrite:
      return CallWrite(session.get(), std::move(*request.mutable_write()),
                       std::move(reply));
    case v1::CoordRequest::kMulti: {
      std::vector<v1::WriteOp> ops(request.multi().ops().begin(),
                                   request.multi().ops().end());
      session->Multi(std::move(ops),
                     [reply](const coord::MultiResult& result) {
                       v1::CoordResponse response;
                       response.set_code(result.code);
                       for (const v1::WriteResult& one : result.results) {
                         *response.add_multi() = one;
                       }
                       reply(response);
                     });
      return;
    }
    case v1::CoordRequest::kExists:
      session->Exists(request.exists().path(),
                      impl_->MakeWatcher(request.exists().watch()),
                      [reply](const coord::StatResult& result) {
                        v1::CoordResponse response;
                        response.set_code(result.code);
                        *response.mutable_stat() = result.stat;
                        reply(response);
                      });
      return;
    case v1::CoordRequest::kGetData:
      session->Get(request.get_data().path(),
                   impl_->MakeWatcher(request.get_data().watch()),
                   [reply](const coord::GetResult& result) {
                     v1::CoordResponse response;
                     response.set_code(result.code);
                     response.set_data(result.data);
                     *response.mutable_stat() = result.stat;
                     reply(response);
                   });
      return;
    case v1::CoordRequest::kGetChildren:
      session->GetChildren(
          request.get_children().path(),
          impl_->MakeWatcher(request.get_children().watch()),
          [reply](const coord::ChildrenResult& result) {
            v1::CoordResponse response;
            response.set_code(result.code);
            *response.mutable_stat() = result.stat;
            for (const std::string& child : result.children) {
              response.add_children(child);
            }
            reply(response);
          });
      return;
    case v1::CoordRequest::kSync:
      session->Sync(request.sync().path(), [reply](v1::CoordCode code) {
        v1::CoordResponse response;
        response.set_code(code);
        reply(response);
      });
      return;
    default:
      LOG(FATAL) << "a request of no kind";
  }
}

uint64_t SessionStore::SessionId() const {
  std::shared_ptr<coord::Session> session = impl_->Current();
  return session == nullptr ? 0 : session->session_id();
}

int64_t SessionStore::LastContactMs() const {
  std::shared_ptr<coord::Session> session = impl_->Current();
  return session == nullptr ? -1 : session->last_contact_ms();
}

int64_t SessionStore::SessionTimeoutMs() const {
  std::shared_ptr<coord::Session> session = impl_->Current();
  return session == nullptr ? 0 : session->session_timeout_ms();
}

bool SessionStore::Connected() const {
  std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->connected;
}

void SessionStore::AddListener(Listener listener) {
  impl_->strand.Post([impl = impl_, listener = std::move(listener)] {
    bool connected;
    {
      std::lock_guard<std::mutex> lock(impl->mutex);
      impl->listeners.push_back(listener);
      connected = impl->connected;
    }
    if (!connected) return;
    Event event;
    event.link = Link::kConnected;
    listener(event);
  });
}

void SessionStore::Close(std::function<void()> done) {
  std::shared_ptr<coord::Session> session = impl_->Current();
  if (session == nullptr) {
    impl_->strand.Post(std::move(done));
    return;
  }
  session->Close([done = std::move(done)](v1::CoordCode) { done(); });
}

}  // namespace sillok
