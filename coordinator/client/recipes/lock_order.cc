#include "coordinator/client/recipes/lock_order.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "coordinator/client/recipes/protected_name.h"

namespace sillok::coord {
namespace {

struct InLine {
  int64_t sequence;
  LockKind kind;
};

std::optional<InLine> Parse(const std::string& name) {
  auto sequential = ParseSequential(RestOfProtected(name));
  if (!sequential) return std::nullopt;
  for (LockKind kind :
       {LockKind::kExclusive, LockKind::kRead, LockKind::kWrite}) {
    if (sequential->stem == LockStem(kind)) {
      return InLine{sequential->sequence, kind};
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view LockStem(LockKind kind) {
  switch (kind) {
    case LockKind::kExclusive:
      return "lock-";
    case LockKind::kRead:
      return "read-";
    case LockKind::kWrite:
      return "write-";
  }
  return "";
}

LockPlace FindLockPlace(const std::vector<std::string>& children,
                        const std::string& mine, LockKind kind) {
  LockPlace place;
  std::optional<InLine> me = Parse(mine);
  bool there = std::find(children.begin(), children.end(), mine) !=
               children.end();
  if (!there || !me) return place;
  place.state = LockPlace::State::kHeld;
  int64_t nearest = -1;
  for (const std::string& name : children) {
    std::optional<InLine> other = Parse(name);
    if (!other || other->sequence >= me->sequence) continue;
    bool in_my_way = kind != LockKind::kRead || other->kind != LockKind::kRead;
    if (!in_my_way || other->sequence <= nearest) continue;
    nearest = other->sequence;
    place.state = LockPlace::State::kWaiting;
    place.wait_for = name;
  }
  return place;
}

std::vector<std::string> SortLine(const std::vector<std::string>& children) {
  std::vector<std::string> line;
  for (const std::string& name : children) {
    if (Parse(name)) line.push_back(name);
  }
  std::sort(line.begin(), line.end(),
            [](const std::string& a, const std::string& b) {
              return Parse(a)->sequence < Parse(b)->sequence;
            });
  return line;
}

}  // namespace sillok::coord
