// Bugs planted into a member on purpose. Only the simulator's tests set them: a
// checker that does not notice a planted bug would not notice a real one.
#ifndef SILLOK_COORDINATOR_SERVER_MEMBER_FAULTS_H_
#define SILLOK_COORDINATOR_SERVER_MEMBER_FAULTS_H_

namespace sillok::coord {

struct MemberFaults {
  // A sync is answered with what the leader has, without asking a quorum.
  bool sync_without_round = false;
  // The leader refuses without a quorum's word that it still leads.
  bool refuse_without_round = false;
  // A write is answered when it is proposed.
  bool reply_before_commit = false;
  // An expired session leaves its ephemerals behind.
  bool leak_ephemerals = false;
  // Requests of a session are taken from the member it has left.
  bool ignore_moved = false;
  // The leader's answers are given by a member that has not yet applied what
  // they rest on.
  bool answer_before_applied = false;
  // The answer that shows a change comes before the watch event for it.
  bool answer_before_events = false;
  // Of a change of the members:
  // It is answered when it is proposed.
  bool answer_reconfig_early = false;
  // A member starts with those of its file, whatever its tree says.
  bool file_members_at_start = false;
  // A snapshot is taken in without the members it names.
  bool forget_snapshot_members = false;
  // A tree that was loaded does not get to know those of the file.
  bool forget_file_members = false;
  // A member that was removed starts all the same.
  bool start_though_removed = false;
  // Watch events go also to those who may not read the znode.
  bool events_for_all = false;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_MEMBER_FAULTS_H_
