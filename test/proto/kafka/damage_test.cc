// Damaged messages: refused or read, never a crash, and never more memory than
// the reader's bound for their size.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <random>
#include <string>

#include "test/support/kafka_messages.h"

namespace {

// Every allocation since Reset(), freed or not.
size_t allocated_bytes = 0;

}  // namespace

void* operator new(size_t size) {
  allocated_bytes += size;
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace sillok::kafka {
namespace {

constexpr int kMutations = 20000;
// One input is small, so the reader's base budget would hide a bad count: this
// is what a small honest message can need. A count taken on trust asks for
// gigabytes.
constexpr size_t kSlack = 4096;
constexpr size_t kPerByte = 64;

void Damage(std::string& bytes, std::mt19937_64& random) {
  if (bytes.empty()) bytes.push_back('\0');
  const size_t at = random() % bytes.size();
  switch (random() % 6) {
    case 0:
      bytes[at] ^= static_cast<char>(1 << random() % 8);
      break;
    case 1:
      bytes[at] = static_cast<char>(random());
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3:
      bytes.insert(at, 1, static_cast<char>(random()));
      break;
    case 4:
      bytes.erase(at, 1 + random() % 4);
      break;
    default:
      // What lengths and counts fear most.
      for (size_t i = at; i < bytes.size() && i < at + 4; ++i) {
        bytes[i] = static_cast<char>(i == at ? 0x7f : 0xff);
      }
  }
}

TEST(KafkaDamageTest, DamagedMessagesNeitherCrashNorTakeMemory) {
  std::mt19937_64 random(4);
  size_t refused = 0;
  for (const MessageType& type : AllMessageTypes()) {
    std::string sample;
    int16_t version = type.info->min;
    for (int i = 0; i < kMutations; ++i) {
      if (i % 20 == 0) {
        const int versions = type.info->max - type.info->min + 1;
        version = static_cast<int16_t>(type.info->min + i / 20 % versions);
        const std::shared_ptr<void> message = type.make();
        type.randomize(message.get(), version, random);
        sample = type.encode(message.get(), version)->ToString();
      }
      std::string bytes = sample;
      for (uint64_t n = 1 + random() % 3; n > 0; --n) Damage(bytes, random);
      const size_t size = bytes.size();
      const Bytes input = Bytes::FromString(std::move(bytes));
      const std::shared_ptr<void> message = type.make();

      allocated_bytes = 0;
      const absl::Status status = type.decode(input, version, message.get());
      const size_t taken = allocated_bytes;
      ASSERT_LE(taken, kSlack + kPerByte * size)
          << type.info->name << " v" << version << ", " << size
          << " bytes: " << status;
      if (!status.ok()) {
        ++refused;
        ASSERT_EQ(status.message().find('\n'), absl::string_view::npos);
        continue;
      }
      // What was accepted can be written again.
      ASSERT_TRUE(type.encode(message.get(), version).ok())
          << type.info->name << " v" << version;
    }
  }
  EXPECT_GT(refused, AllMessageTypes().size() * kMutations / 4);
}

// The most elements the bytes left allow: each honest by its least size, all of
// them together more than a message of this size may become.
TEST(KafkaDamageTest, ManyEmptyElementsStopAtTheMemoryBound) {
  const MessageType* type = nullptr;
  for (const MessageType& each : AllMessageTypes()) {
    if (std::string(each.info->name) == "MetadataRequest") type = &each;
  }
  ASSERT_NE(type, nullptr);
  // v9: an array of one-byte empty names, each with an empty tag section.
  constexpr size_t kCount = 1 << 20;
  std::string bytes;
  for (size_t n = kCount + 1; n > 0; n >>= 7) {
    bytes.push_back(static_cast<char>(n >= 0x80 ? n | 0x80 : n));
  }
  for (size_t i = 0; i < kCount; ++i) bytes += std::string("\1\0", 2);
  bytes += std::string("\1\0\0\0", 4);
  const size_t size = bytes.size();
  const Bytes input = Bytes::FromString(std::move(bytes));
  const std::shared_ptr<void> message = type->make();
  allocated_bytes = 0;
  const absl::Status status = type->decode(input, 9, message.get());
  EXPECT_LE(allocated_bytes, (1 << 20) + 16 * size);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(std::string(status.message()).find("too much memory"),
            std::string::npos)
      << status;
}

}  // namespace
}  // namespace sillok::kafka
