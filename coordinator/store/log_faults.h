// The bugs that can be planted into the log.
#ifndef SILLOK_COORDINATOR_STORE_LOG_FAULTS_H_
#define SILLOK_COORDINATOR_STORE_LOG_FAULTS_H_

namespace sillok {

// Bugs that tests plant, each a mistake such a log is prone to.
struct LogFaults {
  bool ack_before_sync = false;
  bool stale_frames_pass = false;   // of a recycled file's former life
  bool folder_not_synced = false;   // the name of a new segment
  bool header_not_synced = false;   // of a new segment
  bool recycle_unsynced = false;    // rewritten before it has lost its old name
  bool recovery_not_synced = false;  // what was read is taken for durable
  bool damage_is_tail = false;      // whatever follows it
  bool sealed_end_unchecked = false;
  bool checksums_unchecked = false;
  bool truncation_not_logged = false;
  bool newest_drops_first = false;  // trims from the wrong end
  bool trims_ahead_of_tree = false;  // what the tree has not on disk
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_LOG_FAULTS_H_
