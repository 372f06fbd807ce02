#include "test/coordinator/linearizability/history.h"

#include "fmt/format.h"

namespace sillok::linearizability {

std::string Describe(const Operation& operation) {
  static constexpr const char* kActions[] = {"create", "set", "delete", "read",
                                             "sync+read"};
  static constexpr const char* kOutcomes[] = {"ok", "no node", "node exists",
                                              "bad version", "unknown"};
  return fmt::format(
      "client {} session {:x} {} key {} expected {} value {} -> {} zxid {:x} "
      "(czxid {:x} mzxid {:x} version {}) [{} .. {}]",
      operation.client, static_cast<uint64_t>(operation.session),
      kActions[static_cast<size_t>(operation.action)], operation.key,
      operation.expected_version, operation.value,
      kOutcomes[static_cast<size_t>(operation.outcome)], operation.reply_zxid,
      operation.czxid, operation.mzxid, operation.version, operation.called_ns,
      operation.returned_ns);
}

}  // namespace sillok::linearizability
