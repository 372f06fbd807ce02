#include "broker/kafka/text.h"

#include <algorithm>

#include "absl/strings/escaping.h"

namespace sillok::kafka_door {

kafka::Uuid ToUuid(const std::string& id) {
  kafka::Uuid uuid{};
  std::string bytes;
  if (id.size() != 22 || !absl::WebSafeBase64Unescape(id, &bytes) ||
      bytes.size() != uuid.size()) {
    return uuid;
  }
  std::copy(bytes.begin(), bytes.end(), uuid.begin());
  return uuid;
}

std::string FromUuid(const kafka::Uuid& uuid) {
  return absl::WebSafeBase64Escape(
      std::string(reinterpret_cast<const char*>(uuid.data()), uuid.size()));
}

}  // namespace sillok::kafka_door
