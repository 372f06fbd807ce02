#include "test/differential/script.h"

namespace sillok::differential {

std::string Describe(const Step& step) {
  std::string text = "session " + std::to_string(step.session) + ":";
  if (step.kind == Step::Kind::kReattach) text += " reattach";
  if (step.kind == Step::Kind::kClose) text += " close";
  for (const zk::Op& op : step.ops) {
    text += (&op == &step.ops.front() ? " " : "\n           ") +
            zk::Describe(op);
  }
  return text;
}

std::string Describe(const Script& script) {
  std::string text;
  int number = 0;
  for (const Step& step : script) {
    text += std::to_string(number++) + ". " + Describe(step) + "\n";
  }
  return text;
}

size_t CountOps(const Script& script) {
  size_t count = 0;
  for (const Step& step : script) {
    count += step.kind == Step::Kind::kRequests ? step.ops.size() : 1;
  }
  return count;
}

bool Changes(const zk::Op& op) {
  switch (op.op) {
    case zk::kCreate:
    case zk::kCreate2:
    case zk::kCreateContainer:
    case zk::kCreateTtl:
    case zk::kDelete:
    case zk::kSetData:
    case zk::kSetAcl:
    case zk::kMulti:
    case zk::kCloseSession:
      return true;
    default:
      return false;
  }
}

}  // namespace sillok::differential
