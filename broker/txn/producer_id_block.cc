#include "broker/txn/producer_id_block.h"

#include <charconv>
#include <limits>

#include "absl/status/status.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace sillok {
namespace {

using Json = nlohmann::ordered_json;

absl::Status Malformed(const std::string& why) {
  return absl::DataLossError(
      fmt::format("{}: {}", kProducerIdBlockPath, why));
}

// Kafka writes the bounds as texts, since JSON's numbers are not int64.
std::optional<int64_t> Number(const Json& json, const char* field) {
  const auto found = json.find(field);
  if (found == json.end() || !found->is_string()) return std::nullopt;
  const auto& text = found->get_ref<const std::string&>();
  int64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::string EncodeProducerIdBlock(const ProducerIdBlock& block) {
  return Json{{"version", 1},
              {"broker", block.broker_id},
              {"block_start", std::to_string(block.first)},
              {"block_end", std::to_string(block.last)}}
      .dump();
}

absl::StatusOr<ProducerIdBlock> DecodeProducerIdBlock(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr,
                                /*allow_exceptions=*/false);
  if (!json.is_object()) return Malformed("not a JSON object");
  const auto broker = json.find("broker");
  const auto first = Number(json, "block_start");
  const auto last = Number(json, "block_end");
  if (broker == json.end() || !broker->is_number_integer() ||
      !first.has_value() || !last.has_value()) {
    return Malformed("broker, block_start or block_end is missing");
  }
  if (*first < 0 || *last < *first) {
    return Malformed(fmt::format("{}..{} is no block", *first, *last));
  }
  return ProducerIdBlock{broker->get<int32_t>(), *first, *last};
}

absl::StatusOr<ProducerIdBlock> ProducerIdBlockAfter(std::string_view data,
                                                     int32_t broker_id) {
  int64_t first = 0;
  if (!data.empty()) {
    const auto held = DecodeProducerIdBlock(data);
    if (!held.ok()) return held.status();
    if (held->last >
        std::numeric_limits<int64_t>::max() - kProducerIdBlockSize) {
      return absl::ResourceExhaustedError("every producer id has been used");
    }
    first = held->last + 1;
  }
  return ProducerIdBlock{broker_id, first, first + kProducerIdBlockSize - 1};
}

void ProducerIdSupply::Add(const ProducerIdBlock& block) {
  if (current_.first > current_.last) {
    current_ = block;
  } else {
    next_ = block;
  }
}

std::optional<int64_t> ProducerIdSupply::Take() {
  if (current_.first > current_.last) {
    if (!next_.has_value()) return std::nullopt;
    current_ = *next_;
    next_.reset();
  }
  return current_.first++;
}

bool ProducerIdSupply::WantsBlock() const {
  return !next_.has_value() &&
         current_.last - current_.first + 1 <= kProducerIdBlockSize / 10;
}

}  // namespace sillok
