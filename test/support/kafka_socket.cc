#include "test/support/kafka_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>

namespace sillok {

KafkaSocket::KafkaSocket(int port, int timeout_ms) {
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  timeval timeout{timeout_ms / 1000, timeout_ms % 1000 * 1000};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  int one = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) !=
      0) {
    close(fd_);
    fd_ = -1;
  }
}

KafkaSocket::~KafkaSocket() {
  if (fd_ >= 0) close(fd_);
}

bool KafkaSocket::SendRaw(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string KafkaSocket::ReadExactly(size_t size) {
  std::string text(size, '\0');
  size_t got = 0;
  while (got < size) {
    const ssize_t n = recv(fd_, text.data() + got, size - got, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      ADD_FAILURE() << "no answer and no end of the connection";
    }
    if (n <= 0) break;
    got += static_cast<size_t>(n);
  }
  text.resize(got);
  return text;
}

std::optional<std::string> KafkaSocket::ReceiveFrame() {
  const std::string front = ReadExactly(kafka::kFrameSizeBytes);
  if (front.size() != kafka::kFrameSizeBytes) return std::nullopt;
  auto size = kafka::ReadFrameSize(front.data(), INT32_MAX);
  EXPECT_TRUE(size.ok());
  std::string frame = ReadExactly(*size);
  if (frame.size() != *size) return std::nullopt;
  return frame;
}

bool KafkaSocket::EndsSilently() { return ReadExactly(1).empty(); }

std::string KafkaSocket::FrameOf(int16_t key, int16_t version,
                                 std::string_view body,
                                 int32_t correlation_id) {
  kafka::RequestHeader header;
  header.request_api_key = key;
  header.request_api_version = version;
  header.correlation_id = correlation_id;
  header.client_id = "test";
  return kafka::FrameRequest(header, Bytes::FromString(std::string(body)))
      .value()
      .ToString();
}

int32_t KafkaSocket::CorrelationId(std::string_view frame) {
  uint32_t id = 0;
  for (size_t i = 0; i < 4 && i < frame.size(); ++i) {
    id = id << 8 | static_cast<uint8_t>(frame[i]);
  }
  return static_cast<int32_t>(id);
}

size_t KafkaSocket::HeaderSize(int16_t key, int16_t version) {
  return kafka::ResponseHeaderVersion(key, version) == 0 ? 4 : 5;
}

}  // namespace sillok
