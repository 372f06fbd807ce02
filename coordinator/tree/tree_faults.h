// Bugs planted into the tree and its watches on purpose. Only tests set them: a
// check that does not notice a planted bug would not notice a real one.
#ifndef SILLOK_COORDINATOR_TREE_TREE_FAULTS_H_
#define SILLOK_COORDINATOR_TREE_TREE_FAULTS_H_

namespace sillok {

struct TreeFaults {
  // A deleted znode keeps its reference to its ACL.
  bool leak_acl_references = false;
  // Permissions are asked of the applied tree, not of what is pending.
  bool check_applied_acls = false;
  // A create looks for its parent before it looks at the ACL.
  bool parent_before_acl = false;
  // The reaper deletes what a pending txn has just used.
  bool reap_without_look = false;
  // A TTL counts from the creation.
  bool ttl_from_creation = false;
  // A quota lets one znode more pass.
  bool quota_off_by_one = false;
  // What pending txns use of a quota is not counted.
  bool forget_pending_use = false;
  // A reloaded znode does not know that it has no data.
  bool null_data_reloads_as_empty = false;
  // A one-time and a recursive watch on one change give two events.
  bool recursive_fires_twice = false;
  // Recursive watches hear of changed children, too.
  bool recursive_hears_children = false;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_TREE_FAULTS_H_
