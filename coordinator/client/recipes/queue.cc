#include "coordinator/client/recipes/queue.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/client/recipes/protected_name.h"
#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {
namespace {

constexpr char kItem[] = "item-";

}  // namespace

std::vector<std::string> SortItems(const std::vector<std::string>& children) {
  std::vector<std::pair<int64_t, std::string>> items;
  for (const std::string& child : children) {
    auto parsed = ParseSequential(child);
    if (parsed && parsed->stem == kItem) {
      items.emplace_back(parsed->sequence, child);
    }
  }
  std::sort(items.begin(), items.end());
  std::vector<std::string> names;
  for (auto& [sequence, name] : items) names.push_back(std::move(name));
  return names;
}

DistributedQueue::DistributedQueue(BlockingSession* session, std::string path)
    : session_(session),
      items_(path + "/items"),
      claims_(path + "/claims"),
      witness_(session, path + "/witnesses") {}

absl::Status DistributedQueue::MakePlaces(TimePoint deadline) {
  for (const std::string& place : {items_, claims_}) {
    while (!places_made_) {
      // Not containers: an empty one is no less a queue, and its numbers go on.
      v1::CoordCode code = session_->CreateParents(place);
      if (code == v1::OK) break;
      if (!IsLinkTrouble(code) || HasPassed(deadline)) {
        return RecipeStatus(code, place);
      }
      AwaitLink(*session_, deadline);
    }
  }
  places_made_ = true;
  return absl::OkStatus();
}

absl::Status DistributedQueue::Put(std::string data, absl::Duration wait) {
  TimePoint deadline = DeadlineIn(wait);
  RETURN_IF_ERROR(MakePlaces(deadline));
  v1::CoordCode code =
      witness_
          .Commit({CreateOp(items_ + "/" + kItem, std::move(data),
                            v1::PERSISTENT_SEQUENTIAL)},
                  deadline)
          .code;
  return code == v1::OK ? absl::OkStatus() : RecipeStatus(code, items_);
}

absl::StatusOr<std::string> DistributedQueue::Take(absl::Duration wait) {
  TimePoint deadline = DeadlineIn(wait);
  std::string taken;
  RETURN_IF_ERROR(EachItem(
      deadline,
      [&](const std::string& name,
          const std::string& data) -> absl::StatusOr<bool> {
        // A claim on it now would be lost with it: made and taken away, the
        // claim's znode refuses when there is one.
        std::string claim = claims_ + "/" + name;
        v1::CoordCode code =
            witness_
                .Commit({CreateOp(claim, "", v1::EPHEMERAL), DeleteOp(claim),
                         DeleteOp(items_ + "/" + name)},
                        DeadlineIn(absl::Seconds(30)))
                .code;
        if (code == v1::NO_NODE || code == v1::NODE_EXISTS) return false;
        if (code != v1::OK) return RecipeStatus(code, items_);
        taken = data;
        return true;
      }));
  return taken;
}

absl::StatusOr<DistributedQueue::Claimed> DistributedQueue::Claim(
    absl::Duration wait) {
  TimePoint deadline = DeadlineIn(wait);
  Claimed claimed;
  RETURN_IF_ERROR(EachItem(
      deadline,
      [&](const std::string& name,
          const std::string& data) -> absl::StatusOr<bool> {
        std::string claim = claims_ + "/" + name;
        v1::CoordCode code = witness_
                                 .Commit({CheckOp(items_ + "/" + name),
                                          CreateOp(claim, "", v1::EPHEMERAL)},
                                         DeadlineIn(absl::Seconds(30)))
                                 .code;
        if (code == v1::NO_NODE || code == v1::NODE_EXISTS) return false;
        if (code != v1::OK) return RecipeStatus(code, items_);
        claimed = {name, data, claim, session_->session().session_id()};
        return true;
      }));
  return claimed;
}

absl::Status DistributedQueue::CheckClaim(const Claimed& claimed) const {
  // While that session lives nobody else has the claim; when it has ended
  // without our knowing, what we send fails with it.
  if (claimed.session_id == session_->session().session_id()) {
    return absl::OkStatus();
  }
  return absl::AbortedError("the claim was lost: " + claimed.name);
}

absl::Status DistributedQueue::Finish(const Claimed& claimed,
                                      absl::Duration wait) {
  RETURN_IF_ERROR(CheckClaim(claimed));
  v1::CoordCode code = witness_
                           .Commit({DeleteOp(claimed.claim),
                                    DeleteOp(items_ + "/" + claimed.name)},
                                   DeadlineIn(wait))
                           .code;
  if (code == v1::OK) return absl::OkStatus();
  if (code == v1::NO_NODE) {
    return absl::AbortedError("the claim was lost: " + claimed.name);
  }
  return RecipeStatus(code, claimed.name);
}

absl::Status DistributedQueue::PutBack(const Claimed& claimed,
                                       absl::Duration wait) {
  RETURN_IF_ERROR(CheckClaim(claimed));
  return DeleteAndWait(*session_, claimed.claim, DeadlineIn(wait));
}

absl::StatusOr<size_t> DistributedQueue::Size() {
  StatResult stat = session_->Exists(items_);
  if (stat.code == v1::NO_NODE) return 0;
  if (stat.code != v1::OK) return RecipeStatus(stat.code, items_);
  return static_cast<size_t>(stat.stat.num_children());
}

absl::Status DistributedQueue::EachItem(TimePoint deadline,
                                        const TryOne& try_one) {
  RETURN_IF_ERROR(MakePlaces(DeadlineIn(absl::Seconds(30))));
  auto signal = std::make_shared<Signal>();
  std::shared_ptr<void> listener =
      session_->Listen([signal](SessionState) { signal->Raise(); });
  auto watcher = [signal](const v1::WatchEvent&) { signal->Raise(); };
  while (true) {
    ChildrenResult claims = session_->GetChildren(claims_, watcher);
    ChildrenResult items = session_->GetChildren(items_, watcher);
    v1::CoordCode code = claims.code != v1::OK ? claims.code : items.code;
    if (code != v1::OK && !IsLinkTrouble(code)) {
      return RecipeStatus(code, items_);
    }
    if (code != v1::OK) {
      if (!AwaitLink(*session_, deadline) && HasPassed(deadline)) {
        return RecipeStatus(code, items_);
      }
      continue;
    }
    std::set<std::string> claimed(claims.children.begin(),
                                  claims.children.end());
    for (const std::string& name : SortItems(items.children)) {
      if (claimed.count(name) != 0) continue;
      GetResult item = session_->Get(items_ + "/" + name);
      if (IsLinkTrouble(item.code)) {
        signal->Raise();  // the lists are read again, and say what is wrong
        break;
      }
      if (item.code != v1::OK) continue;
      ASSIGN_OR_RETURN(bool done, try_one(name, item.data));
      if (done) return absl::OkStatus();
    }
    if (!signal->Await(deadline)) {
      return absl::DeadlineExceededError("nothing in " + items_);
    }
  }
}

}  // namespace sillok::coord
