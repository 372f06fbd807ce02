#include "proto/record/compression.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"

namespace sillok::record {
namespace {

constexpr Codec kCompressing[] = {Codec::kGzip, Codec::kSnappy, Codec::kLz4,
                                  Codec::kZstd};

std::string Text(size_t size) {
  std::mt19937 random(3);
  std::string text;
  while (text.size() < size) {
    text += "{\"user\":" + std::to_string(random() % 1000) + "},";
  }
  text.resize(size);
  return text;
}

Bytes InPieces(const std::string& data, size_t piece) {
  Bytes bytes;
  for (size_t at = 0; at < data.size(); at += piece) {
    bytes.Append(
        {data.data() + at, std::min(piece, data.size() - at), nullptr});
  }
  return bytes;
}

TEST(CompressionTest, RoundTripsInPiecesOfAnySize) {
  for (const Codec codec : kCompressing) {
    for (const size_t size : {size_t{1}, size_t{100}, size_t{300'000}}) {
      const std::string text = Text(size);
      auto compressed = Compress(codec, text);
      ASSERT_TRUE(compressed.ok()) << compressed.status();
      for (const size_t piece : {size_t{1}, size_t{1000}, size_t{1 << 20}}) {
        auto back = Decompress(codec, InPieces(*compressed, piece));
        ASSERT_TRUE(back.ok()) << CodecName(codec) << ": " << back.status();
        EXPECT_TRUE(*back == text) << CodecName(codec) << " size " << size;
      }
    }
  }
}

TEST(CompressionTest, EveryCutIsRefused) {
  const std::string text = Text(1'000);
  for (const Codec codec : kCompressing) {
    const std::string compressed = *Compress(codec, text);
    for (size_t size = 0; size < compressed.size(); ++size) {
      auto back = Decompress(codec, Bytes::FromString(
                                        compressed.substr(0, size)));
      // Snappy-java's framing has no end mark: whole blocks are a stream.
      if (codec == Codec::kSnappy && size <= 16) continue;
      EXPECT_EQ(ErrorCodeOf(back.status()), ErrorCode::CORRUPT_MESSAGE)
          << CodecName(codec) << " cut to " << size;
    }
  }
}

TEST(CompressionTest, NothingButTheCodecsOwnDataIsTaken) {
  for (const Codec codec : kCompressing) {
    EXPECT_EQ(
        ErrorCodeOf(Decompress(codec, Bytes::FromString(Text(200))).status()),
        ErrorCode::CORRUPT_MESSAGE)
        << CodecName(codec);
    const std::string trailing = *Compress(codec, Text(200)) + "more";
    EXPECT_EQ(
        ErrorCodeOf(Decompress(codec, Bytes::FromString(trailing)).status()),
        ErrorCode::CORRUPT_MESSAGE)
        << CodecName(codec);
  }
}

TEST(CompressionTest, RandomDamageNeverGivesMoreThanTheLimit) {
  std::mt19937 random(11);
  DecompressLimits limits;
  limits.max_bytes = 100'000;
  limits.free_bytes = 100'000;
  for (const Codec codec : kCompressing) {
    const std::string good = *Compress(codec, Text(20'000));
    for (int round = 0; round < 500; ++round) {
      std::string damaged = good;
      for (int i = 0; i < 3; ++i) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      auto back = Decompress(codec, Bytes::FromString(damaged), limits);
      if (back.ok()) {
        EXPECT_LE(back->size(), limits.max_bytes);
      }
    }
  }
}

TEST(CompressionTest, BombsAreStoppedAtTheLimits) {
  const std::string zeros(size_t{20} << 20, '\0');
  for (const Codec codec : kCompressing) {
    const std::string bomb = *Compress(codec, zeros);
    DecompressLimits by_size;
    by_size.max_bytes = zeros.size() - 1;
    EXPECT_EQ(
        ErrorCodeOf(
            Decompress(codec, Bytes::FromString(bomb), by_size).status()),
        ErrorCode::MESSAGE_TOO_LARGE)
        << CodecName(codec);
    DecompressLimits by_ratio;
    by_ratio.free_bytes = 1 << 20;
    by_ratio.max_ratio = 2;
    EXPECT_EQ(
        ErrorCodeOf(
            Decompress(codec, Bytes::FromString(bomb), by_ratio).status()),
        ErrorCode::MESSAGE_TOO_LARGE)
        << CodecName(codec);
    DecompressLimits enough;
    enough.max_ratio = 1'000'000;
    EXPECT_TRUE(Decompress(codec, Bytes::FromString(bomb), enough).ok())
        << CodecName(codec);
  }
}

TEST(CompressionTest, ASnappyLengthThatIsALieTakesNoMemory) {
  // A raw block that claims 4 GiB - 1 bytes.
  const Bytes lie = Bytes::FromString("\xff\xff\xff\xff\x0f" "abc");
  DecompressLimits limits;
  limits.max_bytes = size_t{8} << 30;
  limits.free_bytes = size_t{8} << 30;
  EXPECT_EQ(ErrorCodeOf(Decompress(Codec::kSnappy, lie, limits).status()),
            ErrorCode::CORRUPT_MESSAGE);
}

TEST(CompressionTest, BothSnappyFormsAndConcatenatedMembersAreRead) {
  // librdkafka's form: "Wikipedia" as one raw block (literal of 9 bytes).
  const std::string raw = std::string("\x09\x20") + "Wikipedia";
  auto plain = Decompress(Codec::kSnappy, Bytes::FromString(raw));
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(*plain, "Wikipedia");
  for (const Codec codec : kCompressing) {
    const std::string two = *Compress(codec, "one ") + *Compress(codec, "two");
    auto both = Decompress(codec, Bytes::FromString(two));
    ASSERT_TRUE(both.ok()) << CodecName(codec) << ": " << both.status();
    EXPECT_EQ(*both, "one two");
  }
}

TEST(CompressionTest, LevelsAreChecked) {
  EXPECT_TRUE(Compress(Codec::kGzip, "x", 9).ok());
  EXPECT_TRUE(Compress(Codec::kLz4, "x", 9).ok());
  EXPECT_TRUE(Compress(Codec::kZstd, "x", 19).ok());
  EXPECT_FALSE(Compress(Codec::kGzip, "x", 10).ok());
  EXPECT_FALSE(Compress(Codec::kLz4, "x", 18).ok());
  EXPECT_FALSE(Compress(Codec::kZstd, "x", 23).ok());
  EXPECT_FALSE(Compress(static_cast<Codec>(5), "x").ok());
}

TEST(CompressionTest, NamesAreKafkas) {
  for (const Codec codec : kCompressing) {
    EXPECT_EQ(CodecFromName(CodecName(codec)), codec);
  }
  EXPECT_EQ(CodecFromName("uncompressed"), Codec::kNone);
  EXPECT_EQ(CodecFromName("brotli"), std::nullopt);
}

}  // namespace
}  // namespace sillok::record
