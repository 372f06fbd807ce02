// TCP congestion control of our sockets.
//
// On loopback and in a data centre, BBR's pacing costs 2 to 5 times the CPU of
// reno or cubic, so servers and clients choose per socket instead of taking the
// system's default.
#ifndef SILLOK_BASE_RPC_SOCKET_TUNING_H_
#define SILLOK_BASE_RPC_SOCKET_TUNING_H_

#include <string>

#include "grpcpp/support/channel_arguments.h"

namespace sillok::rpc {

// `auto` (cubic where the kernel lets us, else reno), `system` (leave it), or a
// name the kernel knows. Process-wide; call in main before the first server or
// channel. Returns what new sockets will have, for the start-up log: "reno
// (system default bbr)". An algorithm the kernel refuses is said in the text.
std::string SetTcpCongestion(const std::string& choice);
// The algorithm in force, "" when left to the system.
const std::string& TcpCongestion();

// Makes gRPC apply it to every socket made from these arguments.
void ApplySocketTuning(grpc::ChannelArguments* args);
// How many sockets it was applied to so far.
int TunedSockets();
// Applies it to a socket of our own; false when the kernel refuses.
bool TuneSocket(int fd);

}  // namespace sillok::rpc

#endif  // SILLOK_BASE_RPC_SOCKET_TUNING_H_
