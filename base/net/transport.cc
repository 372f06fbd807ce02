#include "base/net/transport.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <cerrno>

namespace sillok::net {
namespace {

template <typename Call>
ssize_t RetryInterrupted(Call call) {
  ssize_t result;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(int socket) : socket_(socket) {}

  ssize_t Read(const iovec* parts, int count) override {
    if (count == 1) {
      return RetryInterrupted(
          [&] { return recv(socket_, parts[0].iov_base, parts[0].iov_len, 0); });
    }
    return RetryInterrupted([&] { return readv(socket_, parts, count); });
  }

  ssize_t Write(const iovec* parts, int count, bool more) override {
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<size_t>(count);
    int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    return RetryInterrupted([&] { return sendmsg(socket_, &message, flags); });
  }

  ssize_t SendFile(int file, int64_t position, size_t length) override {
    off_t offset = position;
    return RetryInterrupted(
        [&] { return sendfile(socket_, file, &offset, length); });
  }

  void ShutdownWrite() override { shutdown(socket_, SHUT_WR); }

 private:
  const int socket_;
};

}  // namespace

std::unique_ptr<Transport> MakePlainTransport(int socket) {
  return std::make_unique<PlainTransport>(socket);
}

}  // namespace sillok::net
