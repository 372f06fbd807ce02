#include "client/consumer.h"
#include "proto/record/record_batch.h"

namespace sillok::client {

std::vector<ConsumerRecord::Header> ConsumerRecord::Headers() const {
  record::RecordView view;
  view.header_count = header_count;
  view.header_bytes = raw_headers;
  std::vector<Header> headers;
  for (const record::RecordHeader& header : view.headers()) {
    headers.emplace_back(header.key, header.value);
  }
  return headers;
}

}  // namespace sillok::client
