// What a damaged or incomplete directory leads to: never to a member that comes
// up with less than it has promised.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rocksdb/db.h"
#include "test/coordinator/store/store_fixture.h"

namespace sillok {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}
void WriteFile(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

class RecoveryTest : public testing::Test {
 protected:
  // A store with 50 entries (all of them txns), the tree of them, epochs 3, 2.
  RecoveryTest() : directory(MakeDirectory()) {
    auto store = MustOpen(Options(directory));
    EXPECT_TRUE(PersistAndWait(store.get(), Epochs(3, 2)).ok());
    leader.Take(leader.preparer.PrepareCreateSession(
        Origin(1), SessionId(1), "password", 1000, 0));
    for (int i = 1; i < 50; ++i) {
      leader.Prepare(Single(Create("/n" + std::to_string(i), "data")));
      CommitAll(&leader, store.get());
      EXPECT_TRUE(store->Flush().ok());
    }
  }

  absl::Status TryOpen() const {
    auto store = OpenRocksStore(Options(directory));
    if (!store.ok()) return store.status();
    ZnodeTree tree;
    return RecoverTree(store->get(), &tree);
  }
  void ExpectRefused(absl::StatusCode code, const std::string& words) {
    const absl::Status status = TryOpen();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_NE(std::string(status.message()).find(words), std::string::npos)
        << status;
    EXPECT_NE(std::string(status.message()).find(directory),
              std::string::npos)
        << "which file? " << status;
  }
  std::vector<fs::path> Files(const std::string& extension) const {
    std::vector<fs::path> files;
    for (const auto& file : fs::directory_iterator(directory + "/db")) {
      if (file.path().extension() == extension && file.file_size() > 0) {
        files.push_back(file.path());
      }
    }
    return files;
  }
  // Opens the database itself, past the store.
  void Raw(const std::function<void(
               rocksdb::DB*, const std::vector<rocksdb::ColumnFamilyHandle*>&)>&
               change) {
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const char* name : {"default", "rows0", "rows1"}) {
      families.emplace_back(name, rocksdb::ColumnFamilyOptions());
    }
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(rocksdb::DBOptions(), directory + "/db",
                                  families, &handles, &db)
                    .ok());
    change(db, handles);
    for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
    delete db;
  }
  fs::path Segment(uint64_t sequence) const {
    char name[32];
    std::snprintf(name, sizeof(name), "segment.%016llu",
                  static_cast<unsigned long long>(sequence));
    return directory + "/log/" + name;
  }
  // Changes one byte of the log's one segment.
  void Flip(size_t at) {
    std::string segment = ReadFile(Segment(1));
    segment[at] ^= 0x10;
    WriteFile(Segment(1), segment);
  }
  size_t UsedBytes() const {
    return ReadFile(Segment(1)).find_last_not_of('\0') + 1;
  }

  const std::string directory;
  Leader leader;
};

TEST_F(RecoveryTest, AHealthyDirectoryOpens) {
  const absl::Status status = TryOpen();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(RecoveryTest, AMissingDatabaseIsRefused) {
  fs::remove_all(directory + "/db");
  ExpectRefused(absl::StatusCode::kDataLoss, "promised epoch 3");
}

TEST_F(RecoveryTest, ADatabaseWithoutCurrentFileIsRefused) {
  Raw([](rocksdb::DB* db, const auto& handles) {
    for (auto* handle : handles) db->Flush({}, handle);
  });
  fs::remove(directory + "/db/CURRENT");
  ExpectRefused(absl::StatusCode::kDataLoss, "no CURRENT");
  fs::remove(directory + "/epochs");
  ExpectRefused(absl::StatusCode::kDataLoss, "no CURRENT");
}

TEST_F(RecoveryTest, AnotherDatabaseInPlaceOfTheOldOneIsRefused) {
  fs::remove_all(directory + "/db");
  const std::string other = MakeDirectory();
  MustOpen(Options(other)).reset();
  fs::copy(other + "/db", directory + "/db");
  ExpectRefused(absl::StatusCode::kDataLoss, "another log");
}

// What it lacks the log has.
TEST_F(RecoveryTest, AnOlderCopyOfTheDatabaseIsMadeUpForByTheLog) {
  fs::copy(directory + "/db", directory + "/old");
  {
    auto store = MustOpen(Options(directory));
    ASSERT_TRUE(RecoverTree(store.get(), &leader.tree).ok());
    leader.Prepare(Single(Create("/later")));
    CommitAll(&leader, store.get());
  }
  fs::remove_all(directory + "/db");
  fs::rename(directory + "/old", directory + "/db");
  auto store = MustOpen(Options(directory));
  ZnodeTree tree;
  ASSERT_TRUE(RecoverTree(store.get(), &tree).ok());
  EXPECT_EQ(tree.Exists("/later", nullptr), v1::OK);
}

TEST_F(RecoveryTest, AnOlderCopyOfTheLogIsRefused) {
  fs::copy(directory + "/log", directory + "/old");
  ASSERT_TRUE(
      PersistAndWait(MustOpen(Options(directory)).get(), Epochs(4, 2)).ok());
  fs::remove_all(directory + "/log");
  fs::rename(directory + "/old", directory + "/log");
  ExpectRefused(absl::StatusCode::kDataLoss, "is older than");
}

TEST_F(RecoveryTest, AMissingLogIsRefused) {
  fs::remove_all(directory + "/log");
  ExpectRefused(absl::StatusCode::kDataLoss, "no segment");
  fs::remove(directory + "/epochs");
  ExpectRefused(absl::StatusCode::kDataLoss, "no segment");
}

TEST_F(RecoveryTest, AMissingSegmentIsRefusedByName) {
  const std::string other = MakeDirectory();
  RocksStoreOptions options = Options(other);
  options.segment_bytes = 8 * 1024;
  {
    auto store = MustOpen(options);
    ASSERT_TRUE(PersistAndWait(store.get(), Epochs(1, 1)).ok());
    for (uint64_t i = 1; i <= 100; ++i) {
      ASSERT_TRUE(PersistAndWait(store.get(), Entries(Zxid(1, i), 1,
                                                      std::string(500, 'x')))
                      .ok());
    }
  }
  std::vector<fs::path> segments;
  for (const auto& file : fs::directory_iterator(other + "/log")) {
    segments.push_back(file.path());
  }
  std::sort(segments.begin(), segments.end());
  std::erase_if(segments, [](const fs::path& path) {
    return path.filename().string().rfind("segment.", 0) != 0;
  });
  ASSERT_GT(segments.size(), 5u);
  for (const size_t gone : {size_t{0}, size_t{3}, segments.size() - 1}) {
    const std::string content = ReadFile(segments[gone]);
    fs::remove(segments[gone]);
    const auto store = OpenRocksStore(options);
    EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << gone;
    // Of the first one nothing but the tree tells that it was needed.
    EXPECT_NE(std::string(store.status().message())
                  .find(gone == 0 ? "the log in"
                                  : segments[gone].string() + " is missing"),
              std::string::npos)
        << store.status();
    WriteFile(segments[gone], content);
  }
  EXPECT_TRUE(OpenRocksStore(options).ok());
}

TEST_F(RecoveryTest, AMissingEpochsFileIsWrittenAgain) {
  fs::remove(directory + "/epochs");
  EXPECT_TRUE(TryOpen().ok());
  fs::remove_all(directory + "/db");
  ExpectRefused(absl::StatusCode::kDataLoss, "promised epoch 3");
}

TEST_F(RecoveryTest, ADamagedEpochsFileIsRefused) {
  WriteFile(directory + "/epochs", ReadFile(directory + "/epochs") + " ");
  ExpectRefused(absl::StatusCode::kDataLoss, "damaged");
}

TEST_F(RecoveryTest, AnotherMembersDirectoryIsRefused) {
  for (const bool with_epochs : {true, false}) {
    if (!with_epochs) fs::remove(directory + "/epochs");
    RocksStoreOptions options = Options(directory);
    options.member = MemberId(2);
    const auto store = OpenRocksStore(options);
    EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_NE(std::string(store.status().message()).find("member 1"),
              std::string::npos);
  }
}

TEST_F(RecoveryTest, ASecondProcessCannotOpenIt) {
  const auto store = MustOpen(Options(directory));
  EXPECT_FALSE(TryOpen().ok());
}

TEST_F(RecoveryTest, LosingEntriesThatWereAppliedIsRefused) {
  std::string segment = ReadFile(Segment(1));
  std::fill(segment.begin() + static_cast<ptrdiff_t>(UsedBytes()) - 50,
            segment.end(), '\0');
  WriteFile(Segment(1), segment);
  ExpectRefused(absl::StatusCode::kDataLoss, "reaches from");
}

TEST_F(RecoveryTest, DamageInTheLogIsRefusedWithItsPlace) {
  const size_t used = UsedBytes();
  for (size_t at = 4096; at < used; at += 97) {
    Flip(at);
    ExpectRefused(absl::StatusCode::kDataLoss, "/log");
    Flip(at);
  }
  Flip(20);
  ExpectRefused(absl::StatusCode::kDataLoss,
                Segment(1).string() + ": the segment's header is damaged");
  Flip(20);
  EXPECT_TRUE(TryOpen().ok());
}

// An earlier version kept the log in the database.
TEST_F(RecoveryTest, TheLayoutOfAnEarlierVersionIsRefusedWithTheWayOut) {
  Raw([](rocksdb::DB* db, const auto&) {
    rocksdb::ColumnFamilyHandle* log = nullptr;
    ASSERT_TRUE(db->CreateColumnFamily({}, "log", &log).ok());
    db->DestroyColumnFamilyHandle(log);
  });
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                "sillok coord snapshot");
}

TEST_F(RecoveryTest, ADamagedOrMissingStateRecordIsRefused) {
  Raw([](rocksdb::DB* db, const auto& handles) {
    std::string value;
    ASSERT_TRUE(db->Get({}, handles[0], "state", &value).ok());
    value[17] ^= 1;
    db->Put({}, handles[0], "state", value);
  });
  ExpectRefused(absl::StatusCode::kDataLoss, "state record is damaged");
  Raw([](rocksdb::DB* db, const auto& handles) {
    db->Delete({}, handles[0], "state");
  });
  ExpectRefused(absl::StatusCode::kDataLoss, "no state record");
}

TEST_F(RecoveryTest, AMissingRowIsNoticedWhenTheTreeIsLoaded) {
  Raw([](rocksdb::DB* db, const auto& handles) {
    db->Delete({}, handles[1], "N/n20");
  });
  const absl::Status status = TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
}

TEST_F(RecoveryTest, EpochsThatContradictTheLogAreRefused) {
  const std::string other = MakeDirectory();
  {
    auto store = MustOpen(Options(other));
    ASSERT_TRUE(PersistAndWait(store.get(), Epochs(1, 1)).ok());
    ASSERT_TRUE(PersistAndWait(store.get(), Entries(Zxid(2, 1), 1)).ok());
  }
  const auto store = OpenRocksStore(Options(other));
  EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_NE(std::string(store.status().message()).find("epochs out of order"),
            std::string::npos);
}

// A flipped bit anywhere in a table file either does not matter or is refused.
TEST_F(RecoveryTest, DamagedTableFilesAreRefused) {
  Raw([](rocksdb::DB* db, const auto& handles) {
    for (auto* handle : handles) db->Flush({}, handle);
  });
  int refused = 0;
  for (const fs::path& file : Files(".sst")) {
    const std::string good = ReadFile(file);
    for (const double where : {0.1, 0.3, 0.5}) {
      std::string bad = good;
      bad[static_cast<size_t>(bad.size() * where)] ^= 0x10;
      WriteFile(file, bad);
      const absl::Status status = TryOpen();
      if (!status.ok()) ++refused;
    }
    WriteFile(file, good);
  }
  EXPECT_GT(refused, 0);
  EXPECT_TRUE(TryOpen().ok());
}

}  // namespace
}  // namespace sillok
