#include "coordinator/server/session_service.h"

#include <grpcpp/grpcpp.h>

#include <string>

namespace sillok::coord {

grpc::ServerUnaryReactor* SessionService::KillSession(
    grpc::CallbackServerContext* context, const v1::KillSessionRequest* request,
    v1::KillSessionResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  kill_(SessionId(request->session_id()), [reactor](const absl::Status& status) {
    reactor->Finish({static_cast<grpc::StatusCode>(status.code()),
                     std::string(status.message())});
  });
  return reactor;
}

}  // namespace sillok::coord
