#include "test/broker/controller/fake_ensemble.h"

#include "broker/metadata/store_calls.h"
#include "broker/metadata/znodes.h"

namespace sillok {
namespace {

std::string Parent(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

FakeEnsemble::FakeEnsemble() { nodes_["/"]; }

void FakeEnsemble::Bootstrap() {
  for (const std::string& path : znode_path::Base()) {
    Execute(0, CreateRequest(path, ""));
  }
  Execute(0, CreateRequest(znode_path::kClusterId,
                           EncodeClusterId("HwkMMWBkTRK9t2xV16NIHQ")));
}

void FakeEnsemble::Fire(Watches* watches, v1::WatchEventType type,
                        const std::string& path) {
  auto it = watches->find(path);
  if (it == watches->end()) return;
  const std::set<FakeStore*> stores = std::move(it->second);
  watches->erase(it);
  MetadataStore::Event event;
  event.kind = MetadataStore::Event::Kind::kWatch;
  event.watch.set_type(type);
  event.watch.set_path(path);
  event.watch.set_zxid(zxid_);
  for (FakeStore* store : stores) store->Notify(event);
}

v1::CoordCode FakeEnsemble::CreateNode(uint64_t session,
                                       const v1::CreateOp& op,
                                       v1::WriteResult* result) {
  auto parent = nodes_.find(Parent(op.path()));
  if (parent == nodes_.end()) return v1::NO_NODE;
  if (nodes_.count(op.path()) != 0) return v1::NODE_EXISTS;
  if (parent->second.stat.ephemeral_owner() != 0) {
    return v1::NO_CHILDREN_FOR_EPHEMERALS;
  }
  parent->second.stat.set_num_children(parent->second.stat.num_children() + 1);
  Node& node = nodes_[op.path()];
  node.data = op.data();
  node.stat.set_czxid(zxid_);
  node.stat.set_mzxid(zxid_);
  if (op.mode() == v1::EPHEMERAL) node.stat.set_ephemeral_owner(session);
  result->set_path(op.path());
  *result->mutable_stat() = node.stat;
  fired_.emplace_back(v1::NODE_CREATED, op.path());
  return v1::OK;
}

v1::CoordCode FakeEnsemble::DeleteNode(const v1::DeleteOp& op) {
  auto it = nodes_.find(op.path());
  if (it == nodes_.end()) return v1::NO_NODE;
  if (op.version() != -1 && it->second.stat.version() != op.version()) {
    return v1::BAD_VERSION;
  }
  if (it->second.stat.num_children() != 0) return v1::NOT_EMPTY;
  nodes_.erase(it);
  Node& parent = nodes_[Parent(op.path())];
  parent.stat.set_num_children(parent.stat.num_children() - 1);
  fired_.emplace_back(v1::NODE_DELETED, op.path());
  return v1::OK;
}

v1::CoordCode FakeEnsemble::Write(uint64_t session, const v1::WriteOp& op,
                                  v1::WriteResult* result) {
  switch (op.op_case()) {
    case v1::WriteOp::kCreate:
      return CreateNode(session, op.create(), result);
    case v1::WriteOp::kDelete:
      return DeleteNode(op.delete_());
    case v1::WriteOp::kSetData: {
      auto it = nodes_.find(op.set_data().path());
      if (it == nodes_.end()) return v1::NO_NODE;
      v1::Stat& stat = it->second.stat;
      if (op.set_data().version() != -1 &&
          stat.version() != op.set_data().version()) {
        return v1::BAD_VERSION;
      }
      it->second.data = op.set_data().data();
      stat.set_version(stat.version() + 1);
      stat.set_mzxid(zxid_);
      *result->mutable_stat() = stat;
      fired_.emplace_back(v1::NODE_DATA_CHANGED, it->first);
      return v1::OK;
    }
    case v1::WriteOp::kCheck: {
      auto it = nodes_.find(op.check().path());
      if (it == nodes_.end()) return v1::NO_NODE;
      return op.check().version() == -1 ||
                     op.check().version() == it->second.stat.version()
                 ? v1::OK
                 : v1::BAD_VERSION;
    }
    default:
      return v1::BAD_ARGUMENTS;
  }
}

v1::CoordResponse FakeEnsemble::Multi(uint64_t session,
                                      const v1::MultiOp& multi) {
  v1::CoordResponse response;
  ++multis_;
  largest_multi_bytes_ = std::max(largest_multi_bytes_, multi.ByteSizeLong());
  // Undone by copying back: what a multi touches is small beside the tree, but
  // tests are smaller still.
  std::map<std::string, Node> before;
  std::set<std::string> absent;
  auto remember = [&](const std::string& path) {
    auto it = nodes_.find(path);
    if (it == nodes_.end()) {
      if (before.count(path) == 0) absent.insert(path);
    } else if (absent.count(path) == 0) {
      before.emplace(path, it->second);
    }
  };
  bool failed = false;
  for (const v1::WriteOp& op : multi.ops()) {
    v1::WriteResult* result = response.add_multi();
    if (failed) {
      result->set_code(v1::RUNTIME_INCONSISTENCY);
      continue;
    }
    std::string path = op.has_create()     ? op.create().path()
                       : op.has_delete_()  ? op.delete_().path()
                       : op.has_set_data() ? op.set_data().path()
                                           : op.check().path();
    remember(path);
    if (path != "/") remember(Parent(path));
    const v1::CoordCode code = Write(session, op, result);
    result->set_code(code);
    if (code != v1::OK) {
      failed = true;
      response.set_code(code);
    }
  }
  if (failed) {
    for (const std::string& path : absent) nodes_.erase(path);
    for (const auto& [path, node] : before) nodes_[path] = node;
    fired_.clear();
  }
  return response;
}

v1::CoordResponse FakeEnsemble::Read(const v1::CoordRequest& request,
                                     FakeStore* watcher) {
  v1::CoordResponse response;
  const bool children = request.has_get_children();
  const std::string path = children ? request.get_children().path()
                           : request.has_exists() ? request.exists().path()
                                                  : request.get_data().path();
  const bool watch = children ? request.get_children().watch()
                     : request.has_exists() ? request.exists().watch()
                                            : request.get_data().watch();
  auto it = nodes_.find(path);
  const bool armed = it != nodes_.end() || request.has_exists();
  if (watch && armed && watcher != nullptr) {
    (children ? child_watches_ : data_watches_)[path].insert(watcher);
  }
  if (it == nodes_.end()) {
    response.set_code(v1::NO_NODE);
    return response;
  }
  *response.mutable_stat() = it->second.stat;
  if (request.has_get_data()) response.set_data(it->second.data);
  if (children) {
    const std::string prefix = path == "/" ? "/" : path + "/";
    for (auto child = nodes_.upper_bound(prefix);
         child != nodes_.end() &&
         child->first.compare(0, prefix.size(), prefix) == 0;
         ++child) {
      const std::string name = child->first.substr(prefix.size());
      if (name.find('/') == std::string::npos) response.add_children(name);
    }
  }
  return response;
}

v1::CoordResponse FakeEnsemble::Execute(uint64_t session,
                                        const v1::CoordRequest& request,
                                        FakeStore* watcher) {
  std::lock_guard<std::mutex> lock(mutex_);
  v1::CoordResponse response;
  if (request.has_sync()) return response;
  if (!request.has_write() && !request.has_multi()) {
    return Read(request, watcher);
  }
  ++zxid_;
  fired_.clear();
  if (request.has_multi()) {
    response = Multi(session, request.multi());
  } else {
    response.set_code(
        Write(session, request.write(), response.mutable_write()));
    response.mutable_write()->set_code(response.code());
  }
  for (const auto& [type, path] : std::exchange(fired_, {})) {
    Fire(&data_watches_, type, path);
    if (type == v1::NODE_DATA_CHANGED) continue;
    if (type == v1::NODE_DELETED) Fire(&child_watches_, type, path);
    Fire(&child_watches_, v1::NODE_CHILDREN_CHANGED, Parent(path));
  }
  return response;
}

void FakeEnsemble::ExpireLocked(uint64_t session) {
  ++zxid_;
  std::vector<std::string> gone;
  for (const auto& [path, node] : nodes_) {
    if (node.stat.ephemeral_owner() == session) gone.push_back(path);
  }
  for (const std::string& path : gone) {
    v1::DeleteOp op;
    op.set_path(path);
    op.set_version(-1);
    DeleteNode(op);
    fired_.clear();
    Fire(&data_watches_, v1::NODE_DELETED, path);
    Fire(&child_watches_, v1::NODE_CHILDREN_CHANGED, Parent(path));
  }
}

std::map<std::string, FakeEnsemble::Node> FakeEnsemble::Snapshot() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return nodes_;
}

std::string FakeEnsemble::Data(const std::string& path) const {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = nodes_.find(path);
  return it == nodes_.end() ? "" : it->second.data;
}

bool FakeEnsemble::Has(const std::string& path) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return nodes_.count(path) != 0;
}

// ---- a session

FakeStore::FakeStore(FakeEnsemble* ensemble, Executor* executor)
    : ensemble_(ensemble), strand_(std::make_shared<Strand>(executor)) {
  std::lock_guard<std::mutex> lock(ensemble_->mutex_);
  session_ = ensemble_->next_session_++;
}

FakeStore::~FakeStore() {
  std::lock_guard<std::mutex> lock(ensemble_->mutex_);
  for (auto* watches :
       {&ensemble_->data_watches_, &ensemble_->child_watches_}) {
    for (auto& [path, stores] : *watches) stores.erase(this);
  }
}

uint64_t FakeStore::SessionId() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return session_;
}

bool FakeStore::Connected() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return connected_;
}

void FakeStore::AddListener(Listener listener) {
  std::lock_guard<std::mutex> lock(mutex_);
  listeners_.push_back(listener);
  if (!connected_) return;
  strand_->Post([listener] {
    Event event;
    event.link = Link::kConnected;
    listener(event);
  });
}

void FakeStore::Notify(const Event& event) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto deliver = [listeners = listeners_, event] {
    for (const Listener& listener : listeners) listener(event);
  };
  if (paused_) {
    held_.push_back(deliver);
  } else {
    strand_->Post(deliver);
  }
}

void FakeStore::Call(v1::CoordRequest request, Reply reply) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (paused_) {
    held_.push_back([this, request = std::move(request),
                     reply = std::move(reply)] { Call(request, reply); });
    return;
  }
  v1::CoordResponse response;
  if (!connected_) {
    response.set_code(v1::CONNECTION_LOSS);
  } else {
    const uint64_t session = session_;
    const bool write = request.has_write() || request.has_multi();
    const bool lose = write && lose_answers_ > 0;
    if (lose) --lose_answers_;
    lock.unlock();  // the ensemble notifies stores, ours too
    response = ensemble_->Execute(session, request, this);
    lock.lock();
    if (lose) {
      response = v1::CoordResponse();
      response.set_code(v1::CONNECTION_LOSS);
    }
  }
  strand_->Post([reply = std::move(reply), response] { reply(response); });
}

void FakeStore::Expire() {
  {
    std::lock_guard<std::mutex> lock(ensemble_->mutex_);
    for (auto* watches :
         {&ensemble_->data_watches_, &ensemble_->child_watches_}) {
      for (auto& [path, stores] : *watches) stores.erase(this);
    }
    ensemble_->ExpireLocked(SessionId());
    std::lock_guard<std::mutex> own(mutex_);
    session_ = ensemble_->next_session_++;
  }
  Event event;
  event.link = Link::kExpired;
  Notify(event);
  event.link = Link::kConnected;
  Notify(event);
}

void FakeStore::Disconnect() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    connected_ = false;
  }
  Event event;
  event.link = Link::kDisconnected;
  Notify(event);
}

void FakeStore::Reconnect() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    connected_ = true;
  }
  Event event;
  event.link = Link::kConnected;
  Notify(event);
}

void FakeStore::Pause() {
  std::lock_guard<std::mutex> lock(mutex_);
  paused_ = true;
}

void FakeStore::Resume() {
  std::vector<std::function<void()>> held;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    paused_ = false;
    held.swap(held_);
  }
  for (auto& task : held) strand_->Post(task);
}

void FakeStore::LoseAnswers(int count) {
  std::lock_guard<std::mutex> lock(mutex_);
  lose_answers_ = count;
}

}  // namespace sillok
