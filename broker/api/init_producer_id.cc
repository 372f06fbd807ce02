#include "broker/api/init_producer_id.h"

#include <string>
#include <utility>

#include "broker/txn/producer_ids.h"
#include "fmt/format.h"

namespace sillok::api {
namespace {

v1::InitProducerIdResponse Refusal(ErrorCode error, const std::string& why) {
  v1::InitProducerIdResponse response;
  response.set_error_code(static_cast<v1::ErrorCode>(error));
  response.set_error_message(why);
  response.set_producer_id(-1);
  response.set_producer_epoch(-1);
  return response;
}

}  // namespace

void InitProducerId(const BrokerContext& context, const RequestContext& caller,
                    v1::InitProducerIdRequest request,
                    Done<v1::InitProducerIdResponse> done) {
  if (!request.transactional_id().empty()) {
    return done(Refusal(
        ErrorCode::UNSUPPORTED_VERSION,
        fmt::format("transactional.id '{}': this broker has no transactions",
                    request.transactional_id())));
  }
  if ((request.producer_id_plus_one() == 0) !=
      (request.producer_epoch_plus_one() == 0)) {
    return done(Refusal(ErrorCode::INVALID_REQUEST,
                        "a producer id goes with its epoch"));
  }
  context.producer_ids->Next(
      [done = std::move(done)](ProducerIds::Answer answer) {
        if (answer.error != ErrorCode::NONE) {
          return done(Refusal(answer.error, answer.message));
        }
        v1::InitProducerIdResponse response;
        response.set_producer_id(answer.producer_id.value());
        response.set_producer_epoch(0);
        done(std::move(response));
      });
}

}  // namespace sillok::api
