// InitProducerId (22), for producers without a transactional id.
#include <utility>

#include "broker/api/init_producer_id.h"
#include "broker/kafka/families.h"
#include "broker/kafka/text.h"
#include "proto/kafka/transactions.h"

namespace sillok::kafka_door {
namespace {

using Request = kafka::InitProducerIdRequest;
using Response = kafka::InitProducerIdResponse;

void HandleInitProducerId(const Call& call, Request request,
                          api::Done<Response> done) {
  v1::InitProducerIdRequest wanted;
  // An empty transactional id is one, and a wrong one.
  if (request.transactional_id.has_value()) {
    if (request.transactional_id->empty()) {
      Response refused;
      refused.error_code = Number(ErrorCode::INVALID_REQUEST);
      refused.producer_epoch = -1;
      return done(refused);
    }
    wanted.set_transactional_id(*request.transactional_id);
  }
  wanted.set_transaction_timeout_ms(request.transaction_timeout_ms);
  if (request.producer_id >= 0 && request.producer_id < INT64_MAX) {
    wanted.set_producer_id_plus_one(request.producer_id + 1);
  }
  wanted.set_producer_epoch_plus_one(PlusOne(request.producer_epoch));
  api::InitProducerId(*call.broker, call.caller, std::move(wanted),
                      [done = std::move(done)](
                          v1::InitProducerIdResponse answer) {
                        Response response;
                        response.error_code = Number(answer.error_code());
                        response.producer_epoch = -1;
                        if (response.error_code == 0) {
                          response.producer_id = answer.producer_id();
                          response.producer_epoch =
                              static_cast<int16_t>(answer.producer_epoch());
                        }
                        done(std::move(response));
                      });
}

}  // namespace

ApiHandlers ProducerIdHandlers() {
  return {{Request::kInfo.api_key,
           Answered<Request, Response, HandleInitProducerId>}};
}

}  // namespace sillok::kafka_door
