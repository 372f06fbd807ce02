#include "broker/kafka/fetch_sessions.h"

#include <cstring>
#include <limits>

namespace sillok::kafka_door {
namespace {

constexpr int32_t kFinalEpoch = -1;  // full, and no session afterwards
constexpr int32_t kFirstEpoch = 0;   // full, and a session if there is room

int32_t NextEpoch(int32_t epoch) {
  return epoch == std::numeric_limits<int32_t>::max() ? 1 : epoch + 1;
}

// Each key once, at its first place and with its last position.
std::vector<FetchItem> WithoutDuplicates(std::vector<FetchItem> items) {
  if (items.size() < 2) return items;
  std::unordered_map<FetchKey, size_t, FetchKeyHash> places;
  places.reserve(items.size());
  size_t kept = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    auto [place, is_new] = places.emplace(items[i].key, kept);
    if (!is_new) {
      items[place->second] = std::move(items[i]);
      continue;
    }
    if (kept != i) items[kept] = std::move(items[i]);
    ++kept;
  }
  items.resize(kept);
  return items;
}

}  // namespace

size_t FetchKeyHash::operator()(const FetchKey& key) const {
  uint64_t halves[2];
  std::memcpy(halves, key.topic_id.data(), sizeof(halves));
  uint64_t hash = std::hash<std::string>()(key.topic);
  for (uint64_t part : {halves[0], halves[1],
                        static_cast<uint64_t>(key.partition)}) {
    hash = (hash ^ part) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 32;
  }
  return hash;
}

FetchSessions::FetchSessions(const FetchSessionOptions& options,
                             std::function<uint32_t()> random)
    : options_(options), random_(std::move(random)) {}

FetchPlan FetchSessions::Begin(FetchSessionRequest request, int64_t now_ms) {
  FetchPlan plan;
  plan.uses_topic_ids = request.uses_topic_ids;
  if (request.epoch == kFinalEpoch || request.epoch == kFirstEpoch) {
    // The client is done with the session it had.
    if (request.session_id != 0) Remove(request.session_id);
    plan.kind = request.epoch == kFirstEpoch ? FetchPlan::Kind::kNewSession
                                             : FetchPlan::Kind::kNoSession;
    plan.items = WithoutDuplicates(std::move(request.items));
    return plan;
  }
  plan.error = Check(request);
  if (plan.error != ErrorCode::NONE) return plan;
  Session& session = sessions_.at(request.session_id);
  if (!Update(std::move(request), &session)) {
    Remove(session.id);
    plan.error = ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
    return plan;
  }
  session.epoch = NextEpoch(session.epoch);
  if (session.by_key.empty()) {
    Remove(session.id);  // nothing left to remember
    return plan;
  }
  Touch(now_ms, &session);
  plan.kind = FetchPlan::Kind::kIncremental;
  plan.session_id = session.id;
  plan.items.reserve(session.by_key.size());
  for (const Cached& cached : session.order) plan.items.push_back(cached.item);
  return plan;
}

ErrorCode FetchSessions::Check(const FetchSessionRequest& request) const {
  auto found = sessions_.find(request.session_id);
  if (found == sessions_.end()) return ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
  if (found->second.epoch != request.epoch) {
    return ErrorCode::INVALID_FETCH_SESSION_EPOCH;
  }
  if (found->second.uses_topic_ids != request.uses_topic_ids) {
    return ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR;
  }
  return ErrorCode::NONE;
}

bool FetchSessions::Update(FetchSessionRequest request, Session* session) {
  for (FetchItem& item : request.items) {
    auto found = session->by_key.find(item.key);
    if (found != session->by_key.end()) {
      (*found)->item = std::move(item);
      continue;
    }
    if (partition_count_ >= options_.max_partitions) return false;
    Add(std::move(item), session);
  }
  for (const FetchKey& key : request.forgotten) {
    auto found = session->by_key.find(key);
    if (found == session->by_key.end()) continue;
    Order::iterator place = *found;
    session->by_key.erase(found);
    session->order.erase(place);
    --partition_count_;
  }
  return true;
}

void FetchSessions::Add(FetchItem item, Session* session) {
  session->order.push_back({std::move(item), -1, -1});
  session->by_key.insert(std::prev(session->order.end()));
  ++partition_count_;
}

FetchTelling FetchSessions::End(const FetchPlan& plan,
                                const std::vector<FetchedItem>& results,
                                int64_t now_ms) {
  FetchTelling telling;
  telling.told.assign(plan.items.size(), true);
  Session* session = nullptr;
  if (plan.kind == FetchPlan::Kind::kNewSession && !plan.items.empty()) {
    session = Create(static_cast<int64_t>(plan.items.size()),
                     plan.uses_topic_ids, now_ms);
    if (session == nullptr) return telling;
    for (const FetchItem& item : plan.items) Add(item, session);
    Touch(now_ms, session);
  } else if (plan.kind == FetchPlan::Kind::kIncremental) {
    // Also when the session has gone meanwhile: the next request is told so.
    telling.session_id = plan.session_id;
    auto found = sessions_.find(plan.session_id);
    if (found == sessions_.end()) return telling;
    session = &found->second;
  }
  if (session == nullptr) return telling;
  telling.session_id = session->id;
  for (size_t i = 0; i < plan.items.size(); ++i) {
    auto found = session->by_key.find(plan.items[i].key);
    if (found == session->by_key.end()) continue;  // forgotten meanwhile
    const FetchedItem& result = results[i];
    Order::iterator cached = *found;
    const bool failed = result.error != ErrorCode::NONE;
    const bool changed = cached->high_watermark != result.high_watermark ||
                         cached->log_start_offset != result.log_start_offset;
    telling.told[i] = plan.kind == FetchPlan::Kind::kNewSession ||
                      result.has_records || failed || changed;
    // An error is told until it is gone, and so is the first answer after it.
    cached->high_watermark = failed ? -1 : result.high_watermark;
    cached->log_start_offset = result.log_start_offset;
    if (result.has_records && plan.kind == FetchPlan::Kind::kIncremental) {
      session->order.splice(session->order.end(), session->order, cached);
    }
  }
  return telling;
}

void FetchSessions::Touch(int64_t now_ms, Session* session) {
  by_last_use_.erase({session->last_used_ms, session->id});
  session->last_used_ms = now_ms;
  by_last_use_.emplace(now_ms, session->id);
  if (session->evictable) {
    evictable_.erase({session->evictable_size, session->id});
  }
  session->evictable = now_ms - session->created_ms > options_.eviction_ms;
  if (session->evictable) {
    session->evictable_size = session->size();
    evictable_.emplace(session->evictable_size, session->id);
  }
}

FetchSessions::Session* FetchSessions::Create(int64_t size, bool uses_topic_ids,
                                              int64_t now_ms) {
  if (partition_count_ + size > options_.max_partitions ||
      options_.max_sessions <= 0) {
    return nullptr;
  }
  if (session_count() >= options_.max_sessions && !MakeRoom(size, now_ms)) {
    return nullptr;
  }
  int32_t id = 0;
  while (id == 0 || sessions_.contains(id)) {
    id = static_cast<int32_t>(random_() & 0x7FFFFFFF);
  }
  Session& session = sessions_[id];
  session.id = id;
  session.uses_topic_ids = uses_topic_ids;
  session.created_ms = now_ms;
  session.last_used_ms = now_ms;
  return &session;
}

bool FetchSessions::MakeRoom(int64_t size, int64_t now_ms) {
  const auto [last_used_ms, oldest] = *by_last_use_.begin();
  if (now_ms - last_used_ms > options_.eviction_ms) {
    Remove(oldest);
    ++evictions_;
    return true;
  }
  if (evictable_.empty() || evictable_.begin()->first >= size) return false;
  Remove(evictable_.begin()->second);
  ++evictions_;
  return true;
}

void FetchSessions::Remove(int32_t id) {
  auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const Session& session = found->second;
  by_last_use_.erase({session.last_used_ms, id});
  if (session.evictable) evictable_.erase({session.evictable_size, id});
  partition_count_ -= session.size();
  sessions_.erase(found);
}

}  // namespace sillok::kafka_door
