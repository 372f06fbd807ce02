// Keeps the fuzz target honest where no fuzzer runs: Kafka's own requests go
// through it, whole and then damaged.
#include "test/fuzz/kafka_requests.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "proto/kafka/codec.h"
#include "proto/kafka/header.h"
#include "test/golden/golden.h"

namespace sillok::kafka {
namespace {

FuzzResult Fuzz(const std::string& request) {
  return FuzzRequest(reinterpret_cast<const uint8_t*>(request.data()),
                     request.size());
}

// Header and body of every request Kafka encoded for us.
std::vector<std::string> Requests() {
  std::vector<std::string> requests;
  for (const auto& row : golden::ReadJsonLines("kafka_messages.jsonl")) {
    if (row["type"] != "request") continue;
    RequestHeader header;
    header.request_api_key = row["apiKey"].get<int16_t>();
    header.request_api_version = row["version"].get<int16_t>();
    header.client_id = "fuzz";
    const Bytes front = *EncodeMessage(
        header, RequestHeaderVersion(header.request_api_key,
                                     header.request_api_version));
    requests.push_back(front.ToString() +
                       golden::FromHex(row["hex"].get<std::string>()));
  }
  return requests;
}

TEST(KafkaRequestsFuzzTest, KafkasOwnRequestsAreRead) {
  std::map<FuzzResult, size_t> results;
  for (const std::string& request : Requests()) ++results[Fuzz(request)];
  EXPECT_EQ(results[FuzzResult::kNoHeader], 0u);
  EXPECT_EQ(results[FuzzResult::kRefused], 0u);
  EXPECT_GT(results[FuzzResult::kRead], 700u);
  // Versions we do not describe.
  EXPECT_LT(results[FuzzResult::kNotOurs], 100u);
}

TEST(KafkaRequestsFuzzTest, DamagedRequestsHoldToo) {
  std::mt19937_64 random(11);
  std::map<FuzzResult, size_t> results;
  for (const std::string& request : Requests()) {
    for (int i = 0; i < 50; ++i) {
      std::string damaged = request;
      for (uint64_t n = 1 + random() % 4; n > 0; --n) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      if (random() % 4 == 0) damaged.resize(random() % damaged.size());
      ++results[Fuzz(damaged)];
    }
  }
  for (const FuzzResult result : {FuzzResult::kNoHeader, FuzzResult::kNotOurs,
                                  FuzzResult::kRefused, FuzzResult::kRead}) {
    EXPECT_GT(results[result], 100u) << static_cast<int>(result);
  }
}

}  // namespace
}  // namespace sillok::kafka
