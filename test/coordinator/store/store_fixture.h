// A store in a temporary directory, and a tree that is kept in it.
#ifndef SILLOK_TEST_COORDINATOR_STORE_STORE_FIXTURE_H_
#define SILLOK_TEST_COORDINATOR_STORE_STORE_FIXTURE_H_

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "coordinator/store/rocks_store.h"
#include "gtest/gtest.h"
#include "test/coordinator/tree/tree_fixture.h"

namespace sillok {

inline std::string MakeDirectory() {
  std::string name = testing::TempDir() + "/storeXXXXXX";
  EXPECT_NE(::mkdtemp(name.data()), nullptr);
  return name;
}

inline RocksStoreOptions Options(const std::string& directory) {
  RocksStoreOptions options;
  options.directory = directory;
  options.member = MemberId(1);
  return options;
}

inline std::unique_ptr<CoordinatorStore> MustOpen(
    const RocksStoreOptions& options) {
  auto store = OpenRocksStore(options);
  EXPECT_TRUE(store.ok()) << store.status();
  return store.ok() ? *std::move(store) : nullptr;
}

inline zab::Persist Entries(Zxid first, int count,
                            const std::string& txn = "txn") {
  zab::Persist persist;
  for (int i = 0; i < count; ++i) {
    persist.entries.push_back(
        zab::MakeEntry(first, txn + std::to_string(first.counter())));
    first = first.Next();
  }
  return persist;
}

inline zab::Persist Epochs(uint32_t accepted, uint32_t current) {
  zab::Persist persist;
  persist.hard_state = zab::HardState{accepted, current};
  return persist;
}

inline absl::Status PersistAndWait(CoordinatorStore* store,
                                   zab::Persist persist) {
  absl::Status result = absl::UnknownError("the callback was not called");
  store->Persist(std::move(persist), [&](absl::Status s) { result = s; });
  const absl::Status flushed = store->Flush();
  return result.ok() ? flushed : result;
}

// "1.1=txn1 1.2=txn2"
inline std::string Show(const std::vector<zab::Entry>& entries) {
  std::string text;
  for (const zab::Entry& entry : entries) {
    if (!text.empty()) text += " ";
    text += std::to_string(entry.zxid.epoch()) + "." +
            std::to_string(entry.zxid.counter()) + "=" + *entry.txn;
  }
  return text;
}

// Loads the tree from the store's rows and replays the log above them.
inline absl::Status RecoverTree(CoordinatorStore* store, ZnodeTree* tree) {
  tree->Clear();
  absl::Status status = store->ReadRows(
      [tree](std::string_view key, std::string_view value) {
        return tree->LoadRow(key, value);
      });
  if (status.ok()) status = tree->FinishLoad(store->durable_applied());
  if (!status.ok()) return status;
  while (tree->applied() < store->LastZxid()) {
    for (const zab::Entry& entry : store->Read(tree->applied(), 1000)) {
      v1::Txn txn;
      if (!txn.ParseFromString(*entry.txn)) {
        return absl::DataLossError("an entry that is no Txn");
      }
      auto result = tree->Apply(entry.zxid, txn);
      if (!result.ok()) return result.status();
    }
  }
  return tree->CheckInvariants();
}

// Moves what `leader` has prepared through the store: logs it, applies it and
// gives the rows. Not waited for.
inline void CommitAll(Leader* leader, CoordinatorStore* store,
                      CoordinatorStore::Done done = nullptr) {
  zab::Persist persist;
  for (const auto& [zxid, txn] : leader->log) {
    persist.entries.push_back(zab::MakeEntry(zxid, txn.SerializeAsString()));
  }
  store->Persist(std::move(persist), std::move(done));
  while (!leader->log.empty()) leader->ApplyOne();
  store->Apply(leader->tree.TakeRows());
}

}  // namespace sillok

#endif  // SILLOK_TEST_COORDINATOR_STORE_STORE_FIXTURE_H_
