// sillok coord: what the coordinator ensemble holds, and its members.
#include <memory>

#include "CLI/CLI.hpp"
#include "tools/context.h"
#include "tools/coord_session.h"

namespace sillok::tools {

void RegisterCoordCommands(CLI::App& app, Context& context) {
  CLI::App* coord =
      app.add_subcommand("coord", "the coordinators and their znodes");
  coord->require_subcommand(1);
  coord->fallthrough();
  auto session = std::make_shared<CoordSession>(&context);
  coord->add_option("--dir", session->dir,
                    "the coordinators of the local cluster in this folder");
  coord
      ->add_option("--auth", session->auths,
                   "who you are to ACLs, scheme:credentials, like "
                   "digest:user:password")
      ->allow_extra_args(false)
      ->type_name("SCHEME:CREDENTIALS");
  AddCoordCommands(coord, session.get());
  CLI::App* shell = coord->add_subcommand(
      "shell", "these commands in one session, with history and completion");
  shell->fallthrough();
  // Keeps the session's owner as long as the commands.
  OnRun(shell, context, [session] { return RunCoordShell(session.get()); });
}

}  // namespace sillok::tools
