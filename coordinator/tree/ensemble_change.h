// What a reconfiguration makes of the members. Pure.
#ifndef SILLOK_COORDINATOR_TREE_ENSEMBLE_CHANGE_H_
#define SILLOK_COORDINATOR_TREE_ENSEMBLE_CHANGE_H_

#include <vector>

#include "coordinator/tree/ensemble.h"
#include "proto/coordinator.pb.h"
#include "proto/txn.pb.h"

namespace sillok {

// As ZooKeeper does it: with new_members (where a line "version=..." may be, as
// in the text of a configuration) they are all there is; else those who leave
// are taken away, whether they are there or not, and those who join are added,
// in the place of a member with their id if there is one. So an address or a
// role is changed by joining again.
//
// `*next` is by id. BAD_ARGUMENTS, and nothing in `*next`: a line cannot be read,
// or has ZooKeeper's form without a port for clients among those who join; an id
// is there twice in new_members; two members have an address in common (that of
// the own machine, loopback, counts for peer ports alone; that of all addresses
// does not count); nobody would vote.
//
// What a line cannot say stays: the gRPC address of a member with the same id on
// the same host. A line of our own form that does not say ZooKeeper's ports
// leaves them, likewise.
v1::CoordCode ChangeEnsemble(const Ensemble& present,
                             const v1::ReconfigOp& change,
                             std::vector<v1::EnsembleMember>* next);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_TREE_ENSEMBLE_CHANGE_H_
