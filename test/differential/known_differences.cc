#include "test/differential/known_differences.h"

#include <algorithm>

#include "test/differential/script.h"

namespace sillok::differential {
namespace {

bool Says(const Line& line, const std::string& text) {
  return std::any_of(line.tokens().begin(), line.tokens().end(),
                     [&](const Token& token) { return token.text == text; });
}

bool AnyPart(const zk::Op& op, bool (*holds)(const zk::Op&)) {
  return std::any_of(op.parts.begin(), op.parts.end(), holds);
}

// No znode can have this path.
bool Impossible(const zk::Op& op) {
  if (!op.path.has_value()) return false;
  const std::string& path = *op.path;
  if (path.empty() || path[0] != '/' || (path.size() > 1 && path.back() == '/')) {
    return true;
  }
  for (const char* part : {"//", "/./", "/../"}) {
    if ((path + "/").find(part) != std::string::npos && path != "/") return true;
  }
  return path.find('\0') != std::string::npos ||
         path.find('\1') != std::string::npos ||
         path.find("\xc2\x85") != std::string::npos ||
         path.find("\xee\x80\x80") != std::string::npos;
}

bool IsError(const Line& line) {
  return line.tokens().size() == 2 && line.tokens()[1].text != "error 0";
}

}  // namespace

std::optional<std::string> ExplainDifference(const Line& theirs,
                                             const Line& ours) {
  if (!ours.about().has_value()) return std::nullopt;
  const zk::Op& op = *ours.about();
  if (op.op == zk::kCheckWatches && Says(theirs, "error 0") &&
      Says(ours, "error -121")) {
    return "checkWatches finds the persistent watches of others";
  }
  if (!Changes(op) && Impossible(op) && (IsError(theirs) || IsError(ours))) {
    return "a read of an impossible path finds no node";
  }
  const bool empty_path = op.path.has_value() && op.path->empty();
  if (empty_path || AnyPart(op, [](const zk::Op& part) {
        return part.path.has_value() && part.path->empty();
      })) {
    return "an empty path names the root in reads";
  }
  // Neither did anything: theirs has a result for each operation, one of which
  // failed before that create.
  if (op.op == zk::kMulti && Says(theirs, "| -1 -2") &&
      Says(ours, "error -5") && AnyPart(op, [](const zk::Op& part) {
        return (part.op == zk::kCreate || part.op == zk::kCreate2) &&
               (part.flags == 5 || part.flags == 6);
      })) {
    return "a create with the flags of createTTL fails its multi at once";
  }
  if (op.op == zk::kMulti && Says(theirs, "error 0") && Says(ours, "error 0") &&
      AnyPart(op, [](const zk::Op& part) {
        return part.op == zk::kCreate2 ||
               (part.op == zk::kCreate && part.flags == 4);
      })) {
    return "an answer in a multi is not of the request's type";
  }
  return std::nullopt;
}

}  // namespace sillok::differential
