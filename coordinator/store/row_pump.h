// Reads rows on a thread of its own while another takes them in. Internal to
// coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_ROW_PUMP_H_
#define SILLOK_COORDINATOR_STORE_ROW_PUMP_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/iterator.h"

namespace sillok {

// Gives every row from the first on to `row`, on the caller's thread, and stops
// at the first error it returns, which is then the result; else what reading
// came to. `rows` belongs to another thread until this returns.
absl::Status PumpRows(
    rocksdb::Iterator* rows, const std::string& what,
    const std::function<absl::Status(std::string_view key,
                                     std::string_view value)>& row);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_ROW_PUMP_H_
