// What clients may see, worked out from the committed transactions alone: a second,
// simple opinion of the tree, with its whole past.
#ifndef SILLOK_TEST_SIM_TREE_REFERENCE_H_
#define SILLOK_TEST_SIM_TREE_REFERENCE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "proto/coordinator.pb.h"
#include "proto/txn.pb.h"
#include "test/sim/zab_checkers.h"

namespace sillok::sim {

// Where the members are shown.
inline const std::string kConfigPath = "/zookeeper/config";
// The mark of a change of the members: the peer port that it gives to somebody.
std::string ReconfigMark(int port);

class TreeReference {
 public:
  // One state of a znode, from `zxid` on.
  struct Version {
    Zxid zxid;
    bool exists = false;
    std::string data;
    int32_t version = 0;
    uint64_t owner = 0;
  };

  explicit TreeReference(Violation* violation) : violation_(violation) {}

  // The next committed transaction.
  void Apply(Zxid zxid, const v1::Txn& txn);

  // The state of `path` at `zxid`.
  const Version& At(const std::string& path, Zxid zxid) const;
  // Some state of `path` between the two, both included, for which `holds`.
  template <typename Holds>
  bool Any(const std::string& path, Zxid from, Zxid to, Holds holds) const {
    if (holds(At(path, from))) return true;
    auto found = versions_.find(path);
    if (found == versions_.end()) return false;
    for (auto v = found->second.rbegin(); v != found->second.rend(); ++v) {
      if (v->zxid <= from) break;
      if (v->zxid <= to && holds(*v)) return true;
    }
    return false;
  }
  // A member is started with a configuration file that names the members so.
  // Until they are changed its clients are shown this.
  void AddFile(const v1::ReconfigTxn& members);
  bool IsOfFile(const std::string& config) const {
    return file_texts_.count(config) != 0;
  }
  std::vector<std::string> ChildrenOfRoot(Zxid zxid) const;
  // The first change in (from, to] that fires a watch on the data of `path`, or
  // on the children of the root.
  std::optional<Zxid> DataChange(const std::string& path, Zxid from,
                                 Zxid to) const;
  std::optional<Zxid> RootChange(Zxid from, Zxid to) const;

  // The zxid of an operation by the mark in its data; 0.0 if not committed.
  Zxid CommittedAt(const std::string& mark) const;
  // The session that changed the members at `zxid`; 0 if nobody did.
  uint64_t ChangedBy(Zxid zxid) const;
  // 0.0 while the session is open.
  Zxid ClosedAt(uint64_t session) const;

 private:
  void ApplyOp(Zxid zxid, const v1::TxnOp& op);
  void Put(const std::string& path, Version version);
  void ApplyReconfig(Zxid zxid, const v1::Txn& txn);
  void Mark(Zxid zxid, const std::string& data);

  Violation* violation_;
  std::map<std::string, std::vector<Version>> versions_;
  std::vector<Zxid> root_changes_;
  std::map<std::string, Zxid> marks_;
  // The last operation of each client that was committed.
  std::map<std::string, uint64_t> last_of_client_;
  std::map<uint64_t, Zxid> closed_;  // 0.0: open
  std::map<Zxid, uint64_t> changed_by_;
  std::set<std::string> file_texts_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_TREE_REFERENCE_H_
