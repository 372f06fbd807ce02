// A lock that many may hold for reading, or one for writing.
//
// One line for both, so it is fair: a reader waits for the writers before it, a
// writer for everybody before it, and a stream of readers does not starve a
// writer. When a writer is done, the readers behind it wake together: each of
// them watches that writer, which is what they wait for.
//
// Failures and tokens are those of DistributedLock. Readers have tokens too;
// what is written must carry that of a writer.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_READ_WRITE_LOCK_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_READ_WRITE_LOCK_H_

#include <string>

#include "coordinator/client/recipes/lock.h"

namespace sillok::coord {

// The two sides are locks of their own, each for one holder at a time; a process
// with several reading threads has an object for each. Holding one side while
// acquiring the other waits for oneself: release first.
class ReadWriteLock {
 public:
  ReadWriteLock(BlockingSession* session, const std::string& path,
                const std::string& data = "")
      : read_(session, path, data, LockKind::kRead),
        write_(session, path, data, LockKind::kWrite) {}

  DistributedLock& read() { return read_; }
  DistributedLock& write() { return write_; }

 private:
  DistributedLock read_;
  DistributedLock write_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_READ_WRITE_LOCK_H_
