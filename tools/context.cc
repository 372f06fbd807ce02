#include "tools/context.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <utility>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace sillok::tools {

absl::StatusOr<client::Properties> Context::MakeProperties(
    const client::Properties& more) const {
  client::Properties properties = {
      {"bootstrap.servers", bootstrap},
      {"client.id", "sillok-cli"},
      {"default.api.timeout.ms", std::to_string(timeout_ms())},
  };
  for (const std::string& text : overrides) {
    size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return ErrorStatus(ErrorCode::INVALID_CONFIG,
                         "-X takes key=value, not '" + text + "'");
    }
    properties[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& [key, value] : more) properties[key] = value;
  return properties;
}

absl::StatusOr<std::unique_ptr<client::Admin>> Context::MakeAdmin() const {
  ASSIGN_OR_RETURN(client::Properties properties, MakeProperties());
  // A producer's or consumer's key in -X is none of the admin's business, but a
  // key that nobody knows is a mistake.
  client::Properties known;
  for (const client::ConfigKey& key : client::AdminConfigKeys()) {
    auto found = properties.find(key.name);
    if (found != properties.end()) known.insert(*found);
  }
  ASSIGN_OR_RETURN(client::AdminConfig config,
                   client::AdminConfig::FromProperties(known));
  return client::Admin::Create(std::move(config));
}

void Context::Report(const absl::Status& status) {
  if (status.ok()) return;
  std::string text(status.message());
  ErrorCode code = ErrorCodeOf(status);
  // Every refusal names its code, also one that came as a plain Status; what has
  // none (a file, a local cluster) speaks for itself.
  if (code != ErrorCode::UNKNOWN_SERVER_ERROR &&
      text.rfind(ErrorName(code), 0) != 0) {
    text = ErrorName(code) + ": " + text;
  }
  std::fprintf(stderr, "sillok: %s\n", text.c_str());
  if (exit_code != kExitDone) return;
  bool unreachable = code == ErrorCode::NETWORK_EXCEPTION ||
                     text.find("cannot reach the cluster") != std::string::npos;
  if (code == ErrorCode::INVALID_CONFIG) {
    exit_code = kExitUsage;
  } else {
    exit_code = unreachable ? kExitUnreachable : kExitRefused;
  }
}

void Context::ReportRefusal(const absl::Status& status) {
  bool first = exit_code == kExitDone;
  Report(status);
  if (first && exit_code == kExitUsage) exit_code = kExitRefused;
}

void Context::UsageError(const std::string& text) {
  std::fprintf(stderr, "sillok: %s\n", text.c_str());
  exit_code = kExitUsage;
}

bool Context::Confirm(bool yes, const std::string& question) {
  if (yes) return true;
  if (isatty(STDIN_FILENO) == 0) {
    UsageError("would ask: " + question + "; say --yes");
    return false;
  }
  std::fprintf(stderr, "%s [y/N] ", question.c_str());
  std::string answer;
  std::getline(std::cin, answer);
  if (answer == "y" || answer == "yes") return true;
  UsageError("nothing was done");
  return false;
}

void OnRun(CLI::App* command, Context& context,
           std::function<absl::Status()> run) {
  command->callback(
      [&context, run = std::move(run)] { context.Report(run()); });
}

std::string CheckNotNegative(const std::string& text) {
  double number = 0;
  bool good = CLI::detail::lexical_cast(text, number) && number >= 0;
  return good ? "" : "'" + text + "' is not allowed; it takes a number from 0 up";
}

std::string CheckPositive(const std::string& text) {
  double number = 0;
  bool good = CLI::detail::lexical_cast(text, number) && number > 0;
  return good ? "" : "'" + text + "' is not allowed; it takes a number above 0";
}

void PrintJson(const Json& document) {
  std::string text =
      document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
  text += '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
}

std::string Table::ToString() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max({widths[i], row[i].size(), size_t{1}});
    }
  }
  std::string text;
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      // An empty cell would shift the columns for awk.
      std::string cell = row[i].empty() ? "-" : row[i];
      text += cell;
      if (i + 1 < row.size()) text.append(widths[i] + 2 - cell.size(), ' ');
    }
    text += '\n';
  }
  return text;
}

void Table::Print() const {
  std::string text = ToString();
  std::fwrite(text.data(), 1, text.size(), stdout);
}

std::string Known(int64_t number) {
  return number < 0 ? "-" : std::to_string(number);
}

Json KnownJson(int64_t number) {
  return number < 0 ? Json(nullptr) : Json(number);
}

std::string ListOf(const std::vector<int32_t>& numbers) {
  std::string text = "[";
  for (int32_t number : numbers) {
    if (text.size() > 1) text += ',';
    text += std::to_string(number);
  }
  return text + "]";
}

std::string HumanBytes(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{}B", bytes)
                   : fmt::format("{:.1f}{}", value, kUnits[unit]);
}

}  // namespace sillok::tools
