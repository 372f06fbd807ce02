// The fuzzed entries on sound inputs and on every way to spoil them a little. The
// fuzzers themselves run by hand; the corpus is part of this test.
#include "test/fuzz/coordinator_inputs.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "coordinator/store/log_format.h"
#include "coordinator/store/snapshot_stream.h"
#include "coordinator/store/store_format.h"
#include "coordinator/tree/row_format.h"
#include "gtest/gtest.h"
#include "proto/txn.pb.h"

namespace sillok::coord {
namespace {

constexpr char kCorpus[] = "test/fuzz/corpus";

PeerFuzzResult Play(const std::string& script) {
  return FuzzPeerScript(reinterpret_cast<const uint8_t*>(script.data()),
                        script.size());
}
bool Read(const std::string& record) {
  return FuzzStoredRecord(reinterpret_cast<const uint8_t*>(record.data()),
                          record.size());
}

v1::PeerMessage From(int member, uint32_t epoch) {
  v1::PeerMessage message;
  message.set_from(member);
  message.set_to(1);
  message.set_epoch(epoch);
  return message;
}

// Member 3 is elected, leads epoch 1 and commits two entries.
std::string FollowerScript() {
  std::string script;
  v1::PeerMessage leads = From(3, 0);
  leads.mutable_notification()->set_role(v1::PeerNotification::LEADING);
  leads.mutable_notification()->set_round(1);
  leads.mutable_notification()->set_vote_leader(3);
  script += ScriptPiece(0, leads);
  v1::PeerMessage epoch = From(3, 1);
  epoch.mutable_new_epoch();
  script += ScriptPiece(1, epoch);
  v1::PeerMessage append = From(3, 1);
  append.mutable_append();
  for (uint64_t i = 1; i <= 2; ++i) {
    v1::PeerLogEntry* entry = append.mutable_append()->add_entries();
    entry->set_zxid(Zxid(1, i).value());
    entry->set_txn("t" + std::to_string(i));
  }
  script += ScriptPiece(2, append);
  v1::PeerMessage lead = From(3, 1);
  lead.mutable_new_leader();
  script += ScriptPiece(2, lead);
  v1::PeerMessage ping = From(3, 1);
  ping.mutable_ping()->set_round(1);
  ping.mutable_ping()->set_previous_zxid(Zxid(1, 2).value());
  ping.mutable_ping()->set_commit_zxid(Zxid(1, 2).value());
  ping.mutable_ping()->set_established(true);
  script += ScriptPiece(2, ping);
  v1::PeerMessage hand_over = From(3, 1);
  hand_over.mutable_hand_over()->set_leader(1);
  return script + ScriptPiece(3, hand_over);
}

std::vector<std::string> Records() {
  std::vector<std::string> records;
  StoreState state;
  state.member = MemberId(1);
  state.log_id = 99;
  records.push_back(std::string(1, 0) + EncodeState(state));
  FrameBuilder frame;
  frame.AddInstall(Zxid(2, 7), 1);
  frame.AddTruncate(Zxid(2, 7));
  frame.AddEntry(Zxid(2, 8), "txn");
  frame.AddHardState({3, 2});
  records.push_back(std::string(1, 1) +
                    std::string(frame.Finish(kFuzzedLifeTag, 4,
                                             frame.bytes())));
  SegmentHeader segment;
  segment.log_id = 99;
  segment.sequence = 3;
  segment.bytes = 1 << 20;
  segment.previous = Zxid(2, 7);
  // The rest of the page is zeros.
  records.push_back(std::string(1, 5) +
                    EncodeSegmentHeader(segment).substr(0, 96));
  SnapshotEncoder encoder(Zxid(2, 7));
  encoder.AddRow("key", "value");
  records.push_back(std::string(1, 3) + encoder.TakeChunk(true));
  v1::Txn txn;
  v1::CreateTxnOp* create = txn.mutable_write()->add_ops()->mutable_create();
  create->set_path("/a");
  create->set_parent_creates(1);
  records.push_back(std::string(1, 4) + txn.SerializeAsString());
  return records;
}

template <typename Use>
void Spoil(const std::string& good, Use use) {
  for (size_t size = 0; size < good.size(); ++size) use(good.substr(0, size));
  for (size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      use(bad);
    }
  }
}

TEST(CoordinatorInputs, AScriptLeadsAFollowerToCommit) {
  PeerFuzzResult result = Play(FollowerScript());
  EXPECT_EQ(result.messages, 6u);
  EXPECT_EQ(result.committed, 2u);
  EXPECT_FALSE(result.stopped);
  EXPECT_GE(result.persisted, 3u);
}

TEST(CoordinatorInputs, NoSpoiltScriptEndsTheProcess) {
  Spoil(FollowerScript(), [](const std::string& script) { Play(script); });
}

TEST(CoordinatorInputs, SoundRecordsAreTaken) {
  for (const std::string& record : Records()) {
    EXPECT_TRUE(Read(record)) << "kind " << +record[0];
  }
}

// All but transactions, whose entries carry the checksum, check themselves.
TEST(CoordinatorInputs, SpoiltRecordsAreNotTaken) {
  for (const std::string& record : Records()) {
    const bool checked = record[0] != 4;
    Spoil(record, [&](const std::string& spoilt) {
      const bool taken = Read(spoilt);
      if (checked && !spoilt.empty() && spoilt[0] == record[0]) {
        EXPECT_FALSE(taken) << "kind " << +record[0];
      }
    });
  }
}

TEST(CoordinatorInputs, TheCorpusIsTakenInItsStride) {
  size_t files = 0;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(kCorpus)) {
    if (!file.is_regular_file()) continue;
    ++files;
    std::stringstream bytes;
    bytes << std::ifstream(file.path(), std::ios::binary).rdbuf();
    if (file.path().string().find("peer_messages") != std::string::npos) {
      Play(bytes.str());
    } else if (file.path().string().find("stored_records") !=
               std::string::npos) {
      Read(bytes.str());
    }
  }
  EXPECT_GT(files, 0u);
}

}  // namespace
}  // namespace sillok::coord
