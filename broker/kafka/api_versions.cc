// ApiVersions (18): what this door speaks. The answer to a version we do not
// have is made by the connection, before there is anything to decode.
#include <cctype>
#include <string>
#include <string_view>

#include "base/error.h"
#include "broker/kafka/api_handlers.h"
#include "broker/kafka/families.h"
#include "broker/kafka/text.h"
#include "proto/kafka/connection.h"

namespace sillok::kafka_door {
namespace {

// [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? (KIP-511)
bool IsSoftwareName(std::string_view text) {
  auto letter = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0;
  };
  if (text.empty() || !letter(text.front()) || !letter(text.back())) {
    return false;
  }
  for (char c : text) {
    if (!letter(c) && c != '-' && c != '.') return false;
  }
  return true;
}

void HandleApiVersions(const Call& call, kafka::ApiVersionsRequest request,
                       api::Done<kafka::ApiVersionsResponse> done) {
  kafka::ApiVersionsResponse response;
  if (call.version >= 3 && (!IsSoftwareName(request.client_software_name) ||
                            !IsSoftwareName(request.client_software_version))) {
    response.error_code = Number(ErrorCode::INVALID_REQUEST);
    return done(response);
  }
  for (const ServedApi& api : ServedApis()) {
    response.api_keys.push_back(
        {api.range.key, api.range.min, api.range.max});
  }
  done(response);
}

}  // namespace

ApiHandlers ApiVersionsHandlers() {
  return {{kafka::ApiVersionsRequest::kInfo.api_key,
           Answered<kafka::ApiVersionsRequest, kafka::ApiVersionsResponse,
                    HandleApiVersions>}};
}

}  // namespace sillok::kafka_door
