// sillok coord snapshot | restore: the whole tree, to a file and back.
#include <chrono>
#include <fstream>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/rpc/channel.h"
#include "base/status_macros.h"
#include "coordinator/store/snapshot_file.h"
#include "fmt/format.h"
#include "grpcpp/client_context.h"
#include "proto/coordinator_admin.grpc.pb.h"
#include "tools/coord_session.h"
#include "tools/coord_text.h"

namespace sillok::tools {
namespace {

void Print(Context& context, const std::string& file,
           const SnapshotFileInfo& info, const std::string& status) {
  if (context.json) {
    PrintJson({{"file", file},
               {"zxid", info.zxid.value()},
               {"rows", info.rows},
               {"bytes", info.bytes},
               {"status", status}});
    return;
  }
  Table table({"FILE", "ZXID", "ROWS", "BYTES", "STATUS"});
  table.Add({file, Hex(info.zxid.value()), std::to_string(info.rows),
             std::to_string(info.bytes), status});
  table.Print();
}

// What the file system or a file says no to is told as it is.
absl::Status Told(Context& context, const absl::Status& status) {
  if (status.ok()) return status;
  std::fprintf(stderr, "sillok: %s\n",
               std::string(status.message()).c_str());
  if (context.exit_code == kExitDone) context.exit_code = kExitRefused;
  return absl::OkStatus();
}

// Unavailable: this member is not there; another one may be.
absl::StatusOr<SnapshotFileInfo> SaveFrom(const std::string& server,
                                          SnapshotFileWriter* writer) {
  auto stub = v1::CoordinatorAdmin::NewStub(rpc::NewChannel(server));
  grpc::ClientContext call;
  auto stream = stub->SaveSnapshot(&call, {});
  v1::SaveSnapshotResponse message;
  absl::Status written;
  bool last = false;
  while (written.ok() && stream->Read(&message)) {
    written = writer->Add(message.piece());
    last = message.last();
  }
  if (!written.ok()) call.TryCancel();
  grpc::Status answer = stream->Finish();
  RETURN_IF_ERROR(written);
  if (!answer.ok()) {
    return absl::UnavailableError(server + ": " + answer.error_message());
  }
  if (!last) return absl::UnavailableError(server + ": the stream broke off");
  return writer->Finish();
}

absl::Status Snapshot(CoordSession& session, const std::string& file) {
  ASSIGN_OR_RETURN(coord::SessionOptions options, session.Options());
  absl::Status trouble;
  for (const std::string& server : options.servers) {
    auto writer = SnapshotFileWriter::Create(file);
    if (!writer.ok()) return Told(session.context(), writer.status());
    auto saved = SaveFrom(server, writer->get());
    if (saved.ok()) {
      Print(session.context(), file, *saved, "SAVED");
      return absl::OkStatus();
    }
    trouble = saved.status();
    if (!absl::IsUnavailable(trouble)) break;
  }
  if (!absl::IsUnavailable(trouble)) return Told(session.context(), trouble);
  return ErrorStatus(ErrorCode::NETWORK_EXCEPTION,
                     "no coordinator gave a snapshot (" +
                         std::string(trouble.message()) + ")");
}

struct RestoreOptions {
  std::string file;
  std::string data;
  int id = -1;
  bool check = false;
};

// The member's number: said, or in the file that tells the member itself.
int FindId(const RestoreOptions& options) {
  if (options.id >= 0) return options.id;
  int id = -1;
  std::ifstream(options.data + "/myid") >> id;
  return id;
}

absl::Status Restore(Context& context, const RestoreOptions& options) {
  if (options.check) {
    auto checked = CheckSnapshotFile(options.file);
    if (!checked.ok()) return Told(context, checked.status());
    Print(context, options.file, *checked, "GOOD");
    return absl::OkStatus();
  }
  if (options.data.empty()) {
    context.UsageError("restore takes --data DIR (the member's dataDir), or "
                       "--check to look at the file only");
    return absl::OkStatus();
  }
  RocksStoreOptions store;
  store.directory = options.data;
  int id = FindId(options);
  if (id < 0) {
    context.UsageError("whose directory is " + options.data +
                       "? Say --id N; it has no file myid");
    return absl::OkStatus();
  }
  store.member = MemberId(id);
  auto restored = RestoreSnapshotFile(options.file, store);
  if (!restored.ok()) return Told(context, restored.status());
  Print(context, options.file, *restored, "RESTORED");
  std::fprintf(stderr,
               "restore every member from this file before you start any: a "
               "quorum of empty members would start without it\n");
  return absl::OkStatus();
}

}  // namespace

void AddSnapshotCommands(CLI::App* coord, CoordSession* session) {
  Context& context = session->context();
  auto file = std::make_shared<std::string>();
  CLI::App* snapshot =
      coord->add_subcommand("snapshot", "the whole tree into a file");
  snapshot->fallthrough();
  snapshot->add_option("FILE", *file, "new")->required();
  OnRun(snapshot, context, [session, file] { return Snapshot(*session, *file); });
  auto options = std::make_shared<RestoreOptions>();
  CLI::App* restore = coord->add_subcommand(
      "restore", "a member's empty data directory from such a file, offline");
  restore->fallthrough();
  restore->add_option("FILE", options->file)->required();
  restore->add_option("--data", options->data, "the member's dataDir");
  restore->add_option("--id", options->id,
                      "whose it is (myid); none: what DIR/myid says")
      ->check(CheckNotNegative);
  restore->add_flag("--check", options->check, "only check the file");
  OnRun(restore, context,
        [&context, options] { return Restore(context, *options); });
}

}  // namespace sillok::tools
