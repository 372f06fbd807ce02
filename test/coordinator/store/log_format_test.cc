#include "coordinator/store/log_format.h"

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sillok {
namespace {

std::string Txn(int number) {
  return "the path /a/b/c/" + std::to_string(number) + " and some data";
}

std::string BodyOf(FrameBuilder* frame) {
  return std::string(
      frame->Finish(1, 1, frame->bytes()).substr(kFrameHeaderBytes));
}

// With what may be in a frame beside entries.
FrameBuilder SomeFrame(int entries) {
  FrameBuilder frame;
  frame.AddInstall(Zxid(1, 1), 1);
  frame.AddTruncate(Zxid(1, 1));
  for (int i = 0; i < entries; ++i) {
    frame.AddEntry(Zxid(1, static_cast<uint64_t>(i) + 2), Txn(i));
  }
  frame.AddHardState({3, 2});
  return frame;
}

bool Reads(std::string_view body) {
  RecordReader reader(body);
  while (true) {
    const auto record = reader.Next();
    if (!record.ok()) return false;
    if (!record->has_value()) return true;
  }
}

TEST(LogFormatTest, PackedRecordsComeBackAsTheyWere) {
  FrameBuilder frame = SomeFrame(100);
  const size_t before = frame.bytes();
  frame.Pack();
  EXPECT_LT(frame.bytes(), before / 2);
  const std::string body = BodyOf(&frame);
  RecordReader reader(body);
  const auto next = [&] { return reader.Next().value().value(); };
  LogRecord record = next();
  EXPECT_EQ(record.kind, LogRecord::Kind::kInstall);
  EXPECT_EQ(record.active_rows, 1u);
  EXPECT_EQ(next().kind, LogRecord::Kind::kTruncate);
  for (int i = 0; i < 100; ++i) {
    record = next();
    EXPECT_EQ(record.kind, LogRecord::Kind::kEntry);
    EXPECT_EQ(record.zxid, Zxid(1, static_cast<uint64_t>(i) + 2));
    EXPECT_EQ(record.txn, Txn(i));
  }
  EXPECT_EQ(next().hard_state, (zab::HardState{3, 2}));
  EXPECT_FALSE(reader.Next().value().has_value());
}

TEST(LogFormatTest, WhatGainsNothingStaysAsItIs) {
  FrameBuilder small = SomeFrame(2);
  const size_t small_bytes = small.bytes();
  small.Pack();
  EXPECT_EQ(small.bytes(), small_bytes);

  std::mt19937 random(3);
  std::string noise(10'000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  FrameBuilder frame;
  frame.AddEntry(Zxid(1, 1), noise);
  frame.Pack();
  const std::string body = BodyOf(&frame);
  EXPECT_EQ(body.size(), noise.size() + 16);
  RecordReader reader(body);
  EXPECT_EQ(reader.Next().value()->txn, noise);
}

// A frame's checksum keeps damage away from here; a writer's mistake it does not.
TEST(LogFormatTest, ADamagedPackedRecordIsAnErrorOrOtherRecords) {
  FrameBuilder frame = SomeFrame(40);
  frame.Pack();
  const std::string body = BodyOf(&frame);
  ASSERT_TRUE(Reads(body));
  for (size_t size = 1; size < body.size(); ++size) {
    EXPECT_FALSE(Reads(body.substr(0, size))) << size;
  }
  EXPECT_FALSE(Reads(body + body));
  for (size_t bit = 0; bit < 8 * body.size(); ++bit) {
    std::string damaged = body;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    Reads(damaged);
  }
  std::string claims_much = body;
  const uint64_t much = uint64_t{1} << 62;
  std::memcpy(claims_much.data() + 8, &much, 8);
  EXPECT_FALSE(Reads(claims_much));
}

TEST(LogFormatTest, APackedRecordInAPackedRecordIsRefused) {
  FrameBuilder frame;
  frame.AddEntry(Zxid(1, 1), std::string(1 << 20, 'x'));
  frame.Pack();
  const size_t once = frame.bytes();
  frame.Pack();
  ASSERT_LT(frame.bytes(), once);
  EXPECT_FALSE(Reads(BodyOf(&frame)));
}

TEST(LogFormatTest, APackedRecordHasTheFrameForItself) {
  FrameBuilder frame = SomeFrame(100);
  frame.Pack();
  const std::string packed = BodyOf(&frame);
  FrameBuilder other = SomeFrame(1);
  const std::string body = BodyOf(&other);
  ASSERT_TRUE(Reads(packed));
  ASSERT_TRUE(Reads(body));
  EXPECT_FALSE(Reads(packed + body));
  EXPECT_FALSE(Reads(body + packed));
}

TEST(LogFormatTest, SegmentsOfBothFormatsAreRead) {
  SegmentHeader header;
  header.log_id = 7;
  header.sequence = 3;
  header.bytes = 8192;
  EXPECT_EQ(header.format, kSegmentFormat);
  for (const uint32_t format : {kUnpackedSegmentFormat, kSegmentFormat}) {
    header.format = format;
    const auto read = DecodeSegmentHeader(EncodeSegmentHeader(header));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, header);
  }
  header.format = kSegmentFormat + 1;
  EXPECT_EQ(DecodeSegmentHeader(EncodeSegmentHeader(header)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace sillok
