#include "proto/jute/records.h"

namespace sillok::jute {

bool DecodeConnectRequest(std::string_view frame, ConnectRequest* request) {
  Decoder decoder(frame);
  decoder(request->protocol_version, request->last_zxid_seen,
          request->timeout_ms, request->session_id, request->password);
  request->read_only = false;
  request->has_read_only = decoder.ok() && !decoder.rest().empty();
  if (request->has_read_only) decoder(request->read_only);
  return decoder.ok();
}

void AppendConnectRequest(const ConnectRequest& request, std::string* out) {
  Encoder encoder(out);
  encoder(request.protocol_version, request.last_zxid_seen, request.timeout_ms,
          request.session_id, request.password);
  if (request.has_read_only) encoder(request.read_only);
}

bool DecodeConnectResponse(std::string_view frame, ConnectResponse* response) {
  Decoder decoder(frame);
  decoder(response->protocol_version, response->timeout_ms,
          response->session_id, response->password);
  response->read_only = false;
  response->has_read_only = decoder.ok() && !decoder.rest().empty();
  if (response->has_read_only) decoder(response->read_only);
  return decoder.ok();
}

void AppendConnectResponse(const ConnectResponse& response, std::string* out) {
  Encoder encoder(out);
  encoder(response.protocol_version, response.timeout_ms, response.session_id,
          response.password);
  if (response.has_read_only) encoder(response.read_only);
}

}  // namespace sillok::jute
