// The `.txnindex` file of a segment: transactions whose abort marker is in it.
#ifndef SILLOK_BROKER_LOG_TXN_INDEX_H_
#define SILLOK_BROKER_LOG_TXN_INDEX_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/log/log_view.h"

namespace sillok {

void AppendTxnIndexEntry(const AbortedTransaction& entry, std::string* bytes);
absl::StatusOr<std::vector<AbortedTransaction>> DecodeTxnIndex(
    std::string_view bytes);

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_TXN_INDEX_H_
