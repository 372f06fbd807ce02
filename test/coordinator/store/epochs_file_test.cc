#include "coordinator/store/epochs_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gtest/gtest.h"

namespace sillok {
namespace {

std::string Path(const char* name) {
  const std::string path = testing::TempDir() + "/" + name;
  std::filesystem::remove(path);
  return path;
}

TEST(EpochsFileTest, ComesBackAsWritten) {
  const std::string path = Path("written");
  for (const uint32_t epoch : {0u, 7u, 0xffffffffu}) {
    ASSERT_TRUE(WriteEpochsFile(path, {MemberId(3), {epoch, epoch / 2}, epoch + 5ull}).ok());
    const auto file = ReadEpochsFile(path);
    ASSERT_TRUE(file.ok() && file->has_value()) << file.status();
    EXPECT_EQ((*file)->member, MemberId(3));
    EXPECT_EQ((*file)->hard_state, (zab::HardState{epoch, epoch / 2}));
    EXPECT_EQ((*file)->segment, epoch + 5ull);
  }
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(EpochsFileTest, NoFileIsNoError) {
  const auto file = ReadEpochsFile(Path("missing"));
  ASSERT_TRUE(file.ok());
  EXPECT_FALSE(file->has_value());
}

TEST(EpochsFileTest, EveryDamageIsNoticed) {
  const std::string path = Path("damaged");
  ASSERT_TRUE(WriteEpochsFile(path, {MemberId(3), {7, 6}, 5}).ok());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  for (size_t i = 0; i < text.str().size(); ++i) {
    std::string damaged = text.str();
    damaged[i] ^= 1;
    std::ofstream(path) << damaged;
    EXPECT_EQ(ReadEpochsFile(path).status().code(),
              absl::StatusCode::kDataLoss)
        << damaged;
    std::ofstream(path) << text.str().substr(0, i);
    EXPECT_FALSE(ReadEpochsFile(path).ok());
  }
}

TEST(EpochsFileTest, AFileThatCannotBeWrittenIsReported) {
  EXPECT_FALSE(
      WriteEpochsFile(testing::TempDir() + "/no/such/dir", {}).ok());
}

}  // namespace
}  // namespace sillok
