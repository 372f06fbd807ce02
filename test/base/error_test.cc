#include "base/error.h"

#include "gtest/gtest.h"
#include "proto/common.pb.h"

namespace sillok {
namespace {

TEST(ErrorTest, NamesAndNumbersAreThoseOfTheProtocolBuffer) {
  const auto* codes = v1::ErrorCode_descriptor();
  EXPECT_EQ(codes->value_count(), 135);
  for (int i = 0; i < codes->value_count(); ++i) {
    const auto* value = codes->value(i);
    ErrorCode code = ErrorCodeFromNumber(value->number());
    EXPECT_EQ(static_cast<int>(code), value->number());
    EXPECT_EQ(ErrorName(code), value->name());
    EXPECT_EQ(ErrorCodeFromName(value->name()), code);
    EXPECT_FALSE(ErrorMessage(code).empty());
  }
}

TEST(ErrorTest, UnknownNumbersAreServerErrorsWithAName) {
  EXPECT_EQ(ErrorCodeFromNumber(9999), ErrorCode::UNKNOWN_SERVER_ERROR);
  EXPECT_EQ(ErrorCodeFromNumber(-2), ErrorCode::UNKNOWN_SERVER_ERROR);
  EXPECT_EQ(ErrorCodeFromNumber(1 << 20), ErrorCode::UNKNOWN_SERVER_ERROR);
  EXPECT_EQ(ErrorName(static_cast<ErrorCode>(9999)), "ERROR_9999");
}

TEST(ErrorTest, RetriableAsInKafka) {
  EXPECT_TRUE(IsRetriable(ErrorCode::NOT_LEADER_OR_FOLLOWER));
  EXPECT_TRUE(IsRetriable(ErrorCode::CORRUPT_MESSAGE));
  EXPECT_TRUE(IsRetriable(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
  EXPECT_FALSE(IsRetriable(ErrorCode::MESSAGE_TOO_LARGE));
  EXPECT_FALSE(IsRetriable(ErrorCode::NONE));
  EXPECT_FALSE(IsRetriable(ErrorCode::OFFSET_OUT_OF_RANGE));
}

TEST(ErrorTest, AStatusCarriesItsCodeThroughCopies) {
  absl::Status status = ErrorStatus(ErrorCode::TOPIC_ALREADY_EXISTS,
                                    "topic 'orders' already exists");
  EXPECT_EQ(status.message(),
            "TOPIC_ALREADY_EXISTS: topic 'orders' already exists");
  absl::Status copy = status;
  EXPECT_EQ(ErrorCodeOf(copy), ErrorCode::TOPIC_ALREADY_EXISTS);
  EXPECT_EQ(ErrorCodeOf(absl::OkStatus()), ErrorCode::NONE);
  EXPECT_TRUE(ErrorStatus(ErrorCode::NONE).ok());
  EXPECT_EQ(ErrorCodeOf(absl::DeadlineExceededError("x")),
            ErrorCode::REQUEST_TIMED_OUT);
}

}  // namespace
}  // namespace sillok
