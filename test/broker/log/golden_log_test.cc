// A data directory that Kafka wrote, opened by ours: every record is read, the
// indexes Kafka wrote and those our recovery makes give the same answers, and
// all of it equals what Kafka's dump tool printed.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "broker/log/log_directory.h"
#include "broker/log/producer_states.h"
#include "broker/log/txn_index.h"
#include "proto/record/record_batch.h"
#include "test/golden/golden.h"

namespace sillok {
namespace {

namespace fs = std::filesystem;

// One "baseOffset: ..." line of the dump.
struct DumpedBatch {
  std::map<std::string, std::string> fields;
  int records = 0;
};

std::vector<DumpedBatch> ReadDump(const std::string& folder) {
  std::istringstream lines(
      golden::ReadText("log-decoded/" + folder + ".log.txt"));
  std::vector<DumpedBatch> batches;
  const std::regex field("(\\w+): (\\S+)");
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("baseOffset: ", 0) == 0) {
      DumpedBatch& batch = batches.emplace_back();
      for (std::sregex_iterator it(line.begin(), line.end(), field), end;
           it != end; ++it) {
        batch.fields[(*it)[1]] = (*it)[2];
      }
    } else if (line.rfind("| offset: ", 0) == 0) {
      ++batches.back().records;
    }
  }
  return batches;
}

struct ReadBatch {
  record::BatchHeader header;
  std::vector<record::RecordView> records;
  std::string bytes;
};

class GoldenLogTest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "/golden_log_" +
           testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(dir_);
    fs::create_directories(dir_);
    for (const auto& entry :
         fs::recursive_directory_iterator(golden::Path("log"))) {
      const fs::path to =
          fs::path(dir_) / entry.path().lexically_relative(golden::Path("log"));
      if (fs::is_directory(entry.path())) {
        fs::create_directories(to);
      } else {
        fs::create_directories(to.parent_path());
        std::ifstream in(entry.path(), std::ios::binary);
        std::ofstream out(to, std::ios::binary);
        out << in.rdbuf();
      }
    }
  }

  LogDirectory::Options Options() {
    LogDirectory::Options options;
    options.path = dir_;
    options.broker_id = BrokerId(1);
    options.cluster_id = "HwkMMWBkTRK9t2xV16NIHQ";
    options.log_options.index_interval_bytes = 512;
    options.now_ms = 1'795'248'600'000;
    options.options_for = [base = options.log_options](
                              const std::string& topic) {
      LogOptions log_options = base;
      log_options.cleanup_compact =
          topic == "compacted" || topic.rfind("__", 0) == 0;
      return log_options;
    };
    return options;
  }

  void MakeUnclean() {
    fs::remove(dir_ + "/.kafka_cleanshutdown");
    fs::remove(dir_ + "/recovery-point-offset-checkpoint");
    for (const auto& entry : fs::recursive_directory_iterator(dir_)) {
      const std::string suffix = entry.path().extension();
      if (suffix == ".index" || suffix == ".timeindex" ||
          suffix == ".txnindex" || suffix == ".snapshot") {
        fs::remove(entry.path());
      }
    }
  }

  static std::vector<ReadBatch> ReadAll(const PartitionLog& log) {
    std::vector<ReadBatch> batches;
    const auto view = log.view();
    Offset next = view->start_offset();
    while (next < view->end_offset()) {
      ReadOptions options;
      options.max_bytes = 3000;
      auto read = view->ReadBytes(next, options);
      EXPECT_TRUE(read.ok()) << read.status();
      if (!read.ok() || read->batches.empty()) break;
      record::BatchWalker walker(read->batches);
      while (walker.Next()) {
        ReadBatch& batch = batches.emplace_back();
        batch.header = walker.header();
        batch.bytes = walker.batch().ToString();
        next = walker.header().next_offset();
      }
    }
    EXPECT_EQ(next, view->end_offset());
    return batches;
  }

  std::string dir_;
};

void ExpectEqualsDump(const PartitionLog& log) {
  const std::string folder = log.partition().ToString();
  SCOPED_TRACE(folder);
  const std::vector<DumpedBatch> dumped = ReadDump(folder);
  ASSERT_FALSE(dumped.empty());
  std::vector<ReadBatch> batches;
  const auto view = log.view();
  Offset next = view->start_offset();
  size_t i = 0;
  while (next < view->end_offset()) {
    ReadOptions options;
    options.max_bytes = 2000;
    auto read = view->ReadBytes(next, options);
    ASSERT_TRUE(read.ok()) << read.status();
    record::BatchWalker walker(read->batches);
    while (walker.Next()) {
      ASSERT_LT(i, dumped.size());
      auto want = dumped[i++].fields;
      const record::BatchHeader& header = walker.header();
      EXPECT_EQ(std::to_string(header.base_offset), want["baseOffset"]);
      EXPECT_EQ(std::to_string(header.last_offset().value()),
                want["lastOffset"]);
      EXPECT_EQ(std::to_string(header.records_count), want["count"]);
      EXPECT_EQ(std::to_string(header.base_sequence), want["baseSequence"]);
      EXPECT_EQ(std::to_string(header.last_sequence()), want["lastSequence"]);
      EXPECT_EQ(std::to_string(header.producer_id), want["producerId"]);
      EXPECT_EQ(std::to_string(header.producer_epoch), want["producerEpoch"]);
      EXPECT_EQ(std::to_string(header.partition_leader_epoch),
                want["partitionLeaderEpoch"]);
      EXPECT_EQ(header.is_transactional() ? "true" : "false",
                want["isTransactional"]);
      EXPECT_EQ(header.is_control() ? "true" : "false", want["isControl"]);
      EXPECT_EQ(std::to_string(header.size_bytes()), want["size"]);
      EXPECT_EQ(record::CodecName(header.codec()), want["compresscodec"]);
      EXPECT_EQ(std::to_string(header.crc), want["crc"]);
      std::string scratch;
      const Bytes bytes = walker.batch();
      auto reader = record::BatchReader::Open(bytes.Flat(&scratch));
      ASSERT_TRUE(reader.ok()) << reader.status();
      record::RecordView record;
      int records = 0;
      while (reader->Next(&record)) ++records;
      EXPECT_TRUE(reader->status().ok()) << reader->status();
      EXPECT_EQ(records, dumped[i - 1].records);
      next = header.next_offset();
    }
  }
  EXPECT_EQ(i, dumped.size());
}

// Every offset and every time is found where a scan of everything finds it.
void ExpectLookupsEqualAScan(const PartitionLog& log) {
  SCOPED_TRACE(log.partition().ToString());
  const auto view = log.view();
  struct Flat {
    Offset offset;
    int64_t timestamp_ms;
  };
  std::vector<Flat> records;
  std::vector<std::pair<Offset, Offset>> batches;  // first, last
  Offset next = view->start_offset();
  while (next < view->end_offset()) {
    auto read = view->ReadBytes(next, {});
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_FALSE(read->batches.empty());
    record::BatchWalker walker(read->batches);
    while (walker.Next()) {
      std::string scratch;
      const Bytes bytes = walker.batch();
      auto reader = record::BatchReader::Open(bytes.Flat(&scratch));
      ASSERT_TRUE(reader.ok());
      record::RecordView record;
      while (reader->Next(&record)) {
        records.push_back({record.offset, record.timestamp_ms});
      }
      batches.emplace_back(walker.header().first_offset(),
                           walker.header().last_offset());
      next = walker.header().next_offset();
    }
  }
  for (Offset o = view->start_offset(); o < view->end_offset(); o += 1) {
    const auto holder =
        std::find_if(batches.begin(), batches.end(),
                     [&](const auto& batch) { return batch.second >= o; });
    ReadOptions options;
    options.max_bytes = 1;
    auto bytes = view->ReadBytes(o, options);
    auto ranges = view->Read(o, options);
    ASSERT_TRUE(bytes.ok() && ranges.ok()) << bytes.status() << ranges.status();
    if (holder == batches.end()) {
      EXPECT_TRUE(bytes->batches.empty());
      EXPECT_TRUE(ranges->ranges.empty());
      continue;
    }
    record::BatchWalker walker(bytes->batches);
    ASSERT_TRUE(walker.Next()) << "offset " << o;
    EXPECT_EQ(walker.header().first_offset(), holder->first);
    ASSERT_EQ(ranges->ranges.size(), 1u);
    std::string raw(static_cast<size_t>(ranges->bytes), '\0');
    ASSERT_TRUE(ranges->ranges[0]
                    .file->ReadAt(ranges->ranges[0].position, raw.data(),
                                  raw.size())
                    .ok());
    EXPECT_EQ(raw, bytes->batches.ToString());
  }
  std::set<int64_t> times = {0, 1};
  for (const Flat& record : records) {
    times.insert({record.timestamp_ms - 1, record.timestamp_ms,
                  record.timestamp_ms + 1});
  }
  for (const int64_t time : times) {
    const auto want = std::find_if(
        records.begin(), records.end(),
        [&](const Flat& record) { return record.timestamp_ms >= time; });
    auto found = view->OffsetForTimestamp(time);
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_EQ(found->has_value(), want != records.end()) << time;
    if (found->has_value()) {
      EXPECT_EQ((*found)->offset, want->offset) << time;
      EXPECT_EQ((*found)->timestamp_ms, want->timestamp_ms);
    }
  }
}

const char* const kDumped[] = {"plain", "txn", "compacted", "append.time",
                               "__consumer_offsets", "__transaction_state"};

TEST_F(GoldenLogTest, KafkasDirectoryOpensAndReadsAsItsDumpSays) {
  auto directory = LogDirectory::Open(Options());
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_EQ((*directory)->logs().size(), 11u);
  EXPECT_TRUE((*directory)->failed_logs().empty());
  EXPECT_EQ((*directory)->previous_broker_epoch(), -1);
  EXPECT_EQ((*directory)->TopicId({"plain", 0}), "VRlOawppQ56tmDW3zUQSzw");
  EXPECT_EQ((*directory)->initial_high_watermarks().at({"plain", 0}),
            Offset(500));
  for (const PartitionLog* log : (*directory)->logs()) {
    EXPECT_EQ(log->end_offset(),
              (*directory)->initial_high_watermarks().at(log->partition()));
    EXPECT_EQ(log->recovery_report().scanned_bytes, 0) << log->partition();
  }
  for (const char* topic : kDumped) {
    ExpectEqualsDump(*(*directory)->FindLog({topic, 0}));
    ExpectLookupsEqualAScan(*(*directory)->FindLog({topic, 0}));
  }
}

TEST_F(GoldenLogTest, RecoveryMakesTheSameOfTheLogsAlone) {
  MakeUnclean();
  auto directory = LogDirectory::Open(Options());
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_FALSE((*directory)->previous_broker_epoch().has_value());
  EXPECT_TRUE((*directory)->failed_logs().empty());
  for (const char* topic : kDumped) {
    const PartitionLog& log = *(*directory)->FindLog({topic, 0});
    EXPECT_EQ(log.recovery_report().truncated_bytes, 0);
    ExpectEqualsDump(log);
    ExpectLookupsEqualAScan(log);
  }
}

TEST_F(GoldenLogTest, RecoveredIndexFilesAreKafkasByteForByte) {
  MakeUnclean();
  LogDirectory::Options options = Options();
  auto directory = LogDirectory::Open(options);
  ASSERT_TRUE(directory.ok());
  ASSERT_TRUE((*directory)->CloseCleanly({}, 7).ok());
  int compared = 0;
  for (const std::string folder : {"plain-0", "txn-0"}) {
    for (const auto& entry :
         fs::directory_iterator(golden::Path("log/" + folder))) {
      const std::string suffix = entry.path().extension();
      if (suffix != ".index" && suffix != ".txnindex") continue;
      const std::string name = entry.path().filename();
      std::ifstream ours(dir_ + "/" + folder + "/" + name, std::ios::binary);
      std::ostringstream text;
      text << ours.rdbuf();
      EXPECT_EQ(golden::ToHex(text.str()),
                golden::ToHex(golden::ReadText("log/" + folder + "/" + name)))
          << folder << "/" << name;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 9);
}

TEST_F(GoldenLogTest, AbortedTransactionsAreTheOnesKafkaRecorded) {
  for (const bool clean : {true, false}) {
    SetUp();
    if (!clean) MakeUnclean();
    auto directory = LogDirectory::Open(Options());
    ASSERT_TRUE(directory.ok());
    const auto view = (*directory)->FindLog({"txn", 0})->view();
    const std::vector<AbortedTransaction> want = {
        {ProducerId(1), Offset(11), Offset(21), Offset(22)},
        {ProducerId(2), Offset(44), Offset(54), Offset(55)},
        {ProducerId(1), Offset(77), Offset(87), Offset(88)},
        {ProducerId(2), Offset(110), Offset(120), Offset(121)}};
    EXPECT_EQ(view->AbortedTransactions(Offset(0), Offset(132)), want);
    EXPECT_EQ(view->AbortedTransactions(Offset(22), Offset(44)).size(), 0u);
    EXPECT_EQ(view->AbortedTransactions(Offset(21), Offset(45)).size(), 2u);
    EXPECT_FALSE(view->first_open_transaction().has_value());
    EXPECT_EQ(view->LastStableOffset(Offset(132)), Offset(132));
  }
}

TEST_F(GoldenLogTest, ProducerSnapshotsReadAndWriteByteForByte) {
  int compared = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(golden::Path("log"))) {
    if (entry.path().extension() != ".snapshot") continue;
    std::ifstream in(entry.path(), std::ios::binary);
    std::ostringstream bytes;
    bytes << in.rdbuf();
    auto states = ProducerStates::Decode(bytes.str(), 0);
    ASSERT_TRUE(states.ok()) << entry.path() << states.status();
    EXPECT_EQ(golden::ToHex(states->Encode()), golden::ToHex(bytes.str()));
    ++compared;
  }
  EXPECT_GE(compared, 14);
}

TEST_F(GoldenLogTest, ProducersRebuiltFromTheLogEqualKafkasSnapshot) {
  MakeUnclean();
  auto directory = LogDirectory::Open(Options());
  ASSERT_TRUE(directory.ok());
  const std::map<std::string, std::string> snapshots = {
      {"txn", "txn-0/00000000000000000132.snapshot"},
      {"append.time", "append.time-0/00000000000000000050.snapshot"},
      {"__consumer_offsets",
       "__consumer_offsets-0/00000000000000000041.snapshot"}};
  for (const auto& [topic, file] : snapshots) {
    const PartitionLog* log = (*directory)->FindLog({topic, 0});
    // The same behind the checksum; ours has more at its end, which the
    // checksum covers too.
    constexpr size_t kCrcEnd = 6;
    const std::string kafkas = golden::ReadText("log/" + file).substr(kCrcEnd);
    EXPECT_EQ(golden::ToHex(log->producers().Encode().substr(
                  kCrcEnd, kafkas.size())),
              golden::ToHex(kafkas))
        << topic;
  }
}

TEST_F(GoldenLogTest, ForeignBrokerOrClusterIsRefused) {
  LogDirectory::Options other = Options();
  other.broker_id = BrokerId(2);
  EXPECT_EQ(LogDirectory::Open(other).status().code(),
            absl::StatusCode::kFailedPrecondition);
  other = Options();
  other.cluster_id = "another";
  EXPECT_EQ(LogDirectory::Open(other).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(GoldenLogTest, ContinuesKafkasLogAndClosesSoThatItOpensAgain) {
  std::vector<AppendResult> results;
  {
    auto directory = LogDirectory::Open(Options());
    ASSERT_TRUE(directory.ok());
    PartitionLog* log = (*directory)->FindLog({"plain", 0});
    record::BatchBuilder builder;
    builder.Append(1'800'000'000'000, "k", "new");
    const AppendResult result =
        log->Append(Bytes::FromString(*builder.Build()), LeaderEpoch(1),
                    1'800'000'000'000);
    ASSERT_TRUE(result.ok()) << result.message;
    EXPECT_EQ(result.base_offset, Offset(500));
    ASSERT_TRUE((*directory)->CloseCleanly({{{"plain", 0}, Offset(501)}}, 9)
                    .ok());
  }
  auto directory = LogDirectory::Open(Options());
  ASSERT_TRUE(directory.ok()) << directory.status();
  EXPECT_EQ((*directory)->previous_broker_epoch(), 9);
  const PartitionLog& log = *(*directory)->FindLog({"plain", 0});
  EXPECT_EQ(log.end_offset(), Offset(501));
  EXPECT_EQ(log.recovery_report().scanned_bytes, 0);
  EXPECT_EQ((*directory)->initial_high_watermarks().at({"plain", 0}),
            Offset(501));
  EXPECT_EQ(log.view()->EndOffsetForEpoch(LeaderEpoch(0)),
            (EpochEndOffset{LeaderEpoch(0), Offset(500)}));
  ExpectLookupsEqualAScan(log);
}

}  // namespace
}  // namespace sillok
