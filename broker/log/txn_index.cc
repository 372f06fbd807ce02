#include "broker/log/txn_index.h"

#include <fmt/format.h>

#include "broker/log/big_endian.h"

namespace sillok {
namespace {
constexpr int16_t kVersion = 0;
constexpr size_t kEntryBytes = 34;
}  // namespace

void AppendTxnIndexEntry(const AbortedTransaction& entry, std::string* bytes) {
  PutBigEndian(bytes, kVersion);
  PutBigEndian(bytes, entry.producer_id.value());
  PutBigEndian(bytes, entry.first_offset.value());
  PutBigEndian(bytes, entry.last_offset.value());
  PutBigEndian(bytes, entry.last_stable_offset.value());
}

absl::StatusOr<std::vector<AbortedTransaction>> DecodeTxnIndex(
    std::string_view bytes) {
  if (bytes.size() % kEntryBytes != 0) {
    return absl::DataLossError(fmt::format(
        "transaction index of {} bytes has half an entry", bytes.size()));
  }
  std::vector<AbortedTransaction> entries;
  for (size_t at = 0; at < bytes.size(); at += kEntryBytes) {
    const char* const p = bytes.data() + at;
    if (GetBigEndian<int16_t>(p) != kVersion) {
      return absl::DataLossError("transaction index of an unknown version");
    }
    entries.push_back({ProducerId(GetBigEndian<int64_t>(p + 2)),
                       Offset(GetBigEndian<int64_t>(p + 10)),
                       Offset(GetBigEndian<int64_t>(p + 18)),
                       Offset(GetBigEndian<int64_t>(p + 26))});
    if (entries.size() > 1 &&
        entries.back().last_offset <= entries[entries.size() - 2].last_offset) {
      return absl::DataLossError("transaction index does not rise");
    }
  }
  return entries;
}

}  // namespace sillok
