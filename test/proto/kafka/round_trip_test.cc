// Random messages in every version, there and back.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "test/support/kafka_messages.h"

namespace sillok::kafka {
namespace {

constexpr int kPerVersion = 40;

// Reads the same bytes from `count` pieces instead of one.
Bytes InPieces(const std::string& bytes, size_t count) {
  Bytes pieces;
  const size_t size = bytes.size() / count + 1;
  for (size_t at = 0; at < bytes.size(); at += size) {
    pieces.Append(Bytes::FromString(bytes.substr(at, size)));
  }
  return pieces;
}

void CheckOne(const MessageType& type, int16_t version,
              std::mt19937_64& random) {
  const std::shared_ptr<void> sent = type.make();
  type.randomize(sent.get(), version, random);
  const auto bytes = type.encode(sent.get(), version);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  const std::string flat = bytes->ToString();

  for (const Bytes& input : {*bytes, InPieces(flat, 1), InPieces(flat, 3)}) {
    const std::shared_ptr<void> received = type.make();
    const absl::Status status = type.decode(input, version, received.get());
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(type.dump(received.get(), version),
              type.dump(sent.get(), version));
    const auto again = type.encode(received.get(), version);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->ToString(), flat);
  }
}

TEST(KafkaRoundTripTest, WhatIsWrittenIsReadBackInEveryVersion) {
  std::mt19937_64 random(20261121);
  for (const MessageType& type : AllMessageTypes()) {
    for (int16_t version = type.info->min; version <= type.info->max;
         ++version) {
      SCOPED_TRACE(type.info->name + (" v" + std::to_string(version)));
      for (int i = 0; i < kPerVersion && !testing::Test::HasFailure(); ++i) {
        CheckOne(type, version, random);
      }
    }
  }
}

TEST(KafkaRoundTripTest, EveryCutOffMessageIsRefused) {
  std::mt19937_64 random(7);
  for (const MessageType& type : AllMessageTypes()) {
    const int16_t version = type.info->max;
    const std::shared_ptr<void> sent = type.make();
    type.randomize(sent.get(), version, random);
    const std::string flat = type.encode(sent.get(), version)->ToString();
    for (size_t size = 0; size < flat.size(); ++size) {
      const std::shared_ptr<void> received = type.make();
      const absl::Status status = type.decode(
          Bytes::FromString(flat.substr(0, size)), version, received.get());
      ASSERT_FALSE(status.ok()) << type.info->name << " cut at " << size;
    }
    const std::shared_ptr<void> received = type.make();
    EXPECT_FALSE(
        type.decode(Bytes::FromString(flat + '\0'), version, received.get())
            .ok());
  }
}

}  // namespace
}  // namespace sillok::kafka
