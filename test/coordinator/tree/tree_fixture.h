// A leader's tree in miniature for tests: requests go through Preparer, are
// given zxids, and are applied at once or later.
#ifndef SILLOK_TEST_COORDINATOR_TREE_TREE_FIXTURE_H_
#define SILLOK_TEST_COORDINATOR_TREE_TREE_FIXTURE_H_

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "coordinator/tree/prepare.h"
#include "coordinator/tree/znode_tree.h"
#include "gtest/gtest.h"

namespace sillok {

inline v1::WriteOp Create(const std::string& path, const std::string& data = "",
                          v1::CreateMode mode = v1::PERSISTENT) {
  v1::WriteOp op;
  op.mutable_create()->set_path(path);
  op.mutable_create()->set_data(data);
  op.mutable_create()->set_mode(mode);
  return op;
}
inline v1::WriteOp Delete(const std::string& path, int version = -1) {
  v1::WriteOp op;
  op.mutable_delete_()->set_path(path);
  op.mutable_delete_()->set_version(version);
  return op;
}
inline v1::WriteOp Set(const std::string& path, const std::string& data,
                       int version = -1) {
  v1::WriteOp op;
  op.mutable_set_data()->set_path(path);
  op.mutable_set_data()->set_data(data);
  op.mutable_set_data()->set_version(version);
  return op;
}
inline v1::WriteOp Check(const std::string& path, int version = -1) {
  v1::WriteOp op;
  op.mutable_check()->set_path(path);
  op.mutable_check()->set_version(version);
  return op;
}
inline v1::Acl Rule(uint32_t permissions, const std::string& scheme,
                    const std::string& id) {
  v1::Acl rule;
  rule.set_permissions(permissions);
  rule.set_scheme(scheme);
  rule.set_id(id);
  return rule;
}
inline AclList Rules(const std::vector<v1::Acl>& rules) {
  return AclList(rules.begin(), rules.end());
}
inline v1::WriteOp CreateFor(const std::string& path,
                             const std::vector<v1::Acl>& rules) {
  v1::WriteOp op = Create(path);
  *op.mutable_create()->mutable_acl() = Rules(rules);
  op.mutable_create()->set_acl_required(true);
  return op;
}
inline v1::WriteOp CreateTtl(const std::string& path, int64_t ttl_ms,
                             v1::CreateMode mode = v1::PERSISTENT_WITH_TTL) {
  v1::WriteOp op = Create(path, "", mode);
  op.mutable_create()->set_ttl_ms(ttl_ms);
  return op;
}
inline v1::WriteOp SetAcl(const std::string& path,
                          const std::vector<v1::Acl>& rules,
                          int version = -1) {
  v1::WriteOp op;
  op.mutable_set_acl()->set_path(path);
  *op.mutable_set_acl()->mutable_acl() = Rules(rules);
  op.mutable_set_acl()->set_version(version);
  return op;
}
inline IdentityList Who(
    const std::vector<std::pair<std::string, std::string>>& identities) {
  IdentityList who;
  for (const auto& [scheme, id] : identities) {
    v1::Identity* identity = who.Add();
    identity->set_scheme(scheme);
    identity->set_id(id);
  }
  return who;
}
inline v1::CoordRequest Single(v1::WriteOp op) {
  v1::CoordRequest request;
  *request.mutable_write() = std::move(op);
  return request;
}
inline v1::CoordRequest Multi(const std::vector<v1::WriteOp>& ops) {
  v1::CoordRequest request;
  request.mutable_multi();
  for (const v1::WriteOp& op : ops) *request.mutable_multi()->add_ops() = op;
  return request;
}
inline v1::TxnOrigin Origin(uint64_t session) {
  v1::TxnOrigin origin;
  origin.set_member_id(1);
  origin.set_session_id(session);
  origin.set_request_id(7);
  return origin;
}

class Leader {
 public:
  explicit Leader(PrepareOptions options = {}) : preparer(tree, options) {}

  // What a request came to: a txn waiting to be applied, or an answer.
  struct Outcome {
    bool logged = false;
    v1::CoordResponse rejection;
    Zxid zxid;   // of the txn
    Zxid after;  // of the rejection
  };

  Outcome Take(Prepared prepared) {
    Outcome outcome;
    if (auto* rejected = std::get_if<Rejected>(&prepared)) {
      outcome.rejection = rejected->response;
      outcome.after = rejected->after;
      return outcome;
    }
    outcome.logged = true;
    outcome.zxid = last = last.Next();
    preparer.Proposed(last);
    log.emplace_back(last, std::get<v1::Txn>(std::move(prepared)));
    return outcome;
  }
  Outcome Prepare(const v1::CoordRequest& request, uint64_t session = 1) {
    return Take(
        preparer.PrepareWrite(Origin(session), request, now_ms, &who));
  }

  ApplyResult ApplyOne() {
    auto [zxid, txn] = std::move(log.front());
    log.pop_front();
    absl::StatusOr<ApplyResult> result = tree.Apply(zxid, txn);
    EXPECT_TRUE(result.ok()) << result.status();
    preparer.Applied(zxid);
    applied.emplace_back(zxid, std::move(txn));
    if (!result.ok()) return {};
    return *std::move(result);
  }
  // Prepares, applies everything that waits, and gives the answer.
  ApplyResult Run(const v1::CoordRequest& request, uint64_t session = 1) {
    const Outcome outcome = Prepare(request, session);
    ApplyResult result;
    while (!log.empty()) result = ApplyOne();
    if (!outcome.logged) result.response = outcome.rejection;
    return result;
  }
  v1::CoordCode Code(const v1::WriteOp& op, uint64_t session = 1) {
    return Run(Single(op), session).response.code();
  }
  ApplyResult OpenSession(uint64_t id, int64_t timeout_ms = 10'000) {
    Take(preparer.PrepareCreateSession(Origin(id), SessionId(id),
                                       "0123456789abcdef", timeout_ms,
                                       now_ms));
    return ApplyOne();
  }
  Outcome CloseSession(uint64_t id) {
    return Take(preparer.PrepareCloseSession(Origin(id), SessionId(id),
                                             now_ms));
  }

  Outcome Reap(const std::string& path, int64_t max_never_used_ms = 0) {
    return Take(preparer.PrepareReap(Origin(0), path, max_never_used_ms,
                                     now_ms));
  }

  v1::Stat StatOf(const std::string& path) const {
    v1::Stat stat;
    EXPECT_EQ(tree.Exists(path, &stat), v1::OK) << path;
    return stat;
  }
  bool Has(const std::string& path) const {
    return tree.Exists(path, nullptr) == v1::OK;
  }

  ZnodeTree tree;
  Preparer preparer;
  Zxid last = Zxid(1, 0);
  int64_t now_ms = 5000;
  IdentityList who;  // asks
  std::deque<std::pair<Zxid, v1::Txn>> log;
  std::vector<std::pair<Zxid, v1::Txn>> applied;
};

// A disk for rows, and a tree from it.
using Disk = std::map<std::string, std::string>;

inline void WriteRows(const TreeRows& rows, Disk* disk) {
  for (const TreeRow& row : rows.rows) {
    if (row.value) {
      (*disk)[row.key] = *row.value;
    } else {
      disk->erase(row.key);
    }
  }
}

inline absl::Status LoadTree(const Disk& disk, Zxid applied, ZnodeTree* tree) {
  tree->Clear();
  for (const auto& [key, value] : disk) {
    absl::Status status = tree->LoadRow(key, value);
    if (!status.ok()) return status;
  }
  return tree->FinishLoad(applied);
}

// All znodes with data and stat, and all sessions, as text to compare.
inline std::string Dump(const ZnodeTree& tree) {
  std::string text;
  std::vector<std::string> todo{"/"};
  while (!todo.empty()) {
    const std::string path = todo.back();
    todo.pop_back();
    std::string data;
    v1::Stat stat;
    std::vector<std::string> children;
    EXPECT_EQ(tree.GetData(path, &data, &stat), v1::OK) << path;
    EXPECT_EQ(tree.GetChildren(path, &children, nullptr), v1::OK);
    v1::CoordRequest read;
    read.mutable_get_data()->set_path(path);
    text += path + " '" + data + "' " + stat.ShortDebugString() +
            (tree.Read(read).null_data() ? " null" : "") +
            (tree.IsOverdue(path, 1'000'000, 1) ? " overdue" : "");
    if (const AclRef acl = tree.AclOf(path)) {
      for (const v1::Acl& rule : *acl) text += " " + rule.ShortDebugString();
    }
    text += "\n";
    for (auto it = children.rbegin(); it != children.rend(); ++it) {
      todo.push_back((path == "/" ? path : path + "/") + *it);
    }
  }
  std::map<uint64_t, std::string> sessions;
  for (const auto& [id, info] : tree.sessions().all()) {
    sessions[id.value()] =
        info.password + " " + std::to_string(info.timeout_ms);
  }
  for (const auto& [id, info] : sessions) {
    text += "session " + std::to_string(id) + " " + info + "\n";
  }
  return text;
}

}  // namespace sillok

#endif  // SILLOK_TEST_COORDINATOR_TREE_TREE_FIXTURE_H_
