// The byte stream under a connection.
#ifndef SILLOK_BASE_NET_TRANSPORT_H_
#define SILLOK_BASE_NET_TRANSPORT_H_

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace sillok::net {

// Used by one loop thread; never waits. All calls: what was moved (> 0), or -1
// with errno (EAGAIN: wait until the socket is ready). TLS would be another one
// of these: it decrypts in Read, and reads the file itself in SendFile.
class Transport {
 public:
  virtual ~Transport() = default;

  // 0: the peer has ended its side.
  virtual ssize_t Read(const iovec* parts, int count) = 0;
  // `more` follows at once: the kernel need not send what does not fill a
  // packet.
  virtual ssize_t Write(const iovec* parts, int count, bool more) = 0;
  // 0: the file has no bytes at `position`.
  virtual ssize_t SendFile(int file, int64_t position, size_t length) = 0;
  // No more will be written.
  virtual void ShutdownWrite() = 0;
};

// Borrows a non-blocking TCP socket. The thread must have SIGPIPE blocked:
// sendfile has no flag for it.
std::unique_ptr<Transport> MakePlainTransport(int socket);

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_TRANSPORT_H_
