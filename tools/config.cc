// sillok config list | get | set | unset
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "base/error.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "tools/config_change.h"
#include "tools/context.h"

namespace sillok::tools {
namespace {

// topic/NAME, broker/ID, broker/* (what all brokers share).
absl::StatusOr<client::ConfigResource> ParseEntity(const std::string& text) {
  size_t slash = text.find('/');
  std::string kind = text.substr(0, slash);
  std::string name = slash == std::string::npos ? "" : text.substr(slash + 1);
  if (kind == "topic" && !name.empty()) {
    return client::ConfigResource{client::ConfigResource::kTopic, name};
  }
  if (kind == "broker" && !name.empty()) {
    return client::ConfigResource{client::ConfigResource::kBroker,
                                  name == "*" ? "" : name};
  }
  return ErrorStatus(ErrorCode::INVALID_CONFIG,
                     "'" + text +
                         "' is not topic/NAME, broker/ID or broker/*");
}

absl::Status AddChanges(const std::vector<std::string>& pairs,
                        client::ConfigChange::Operation operation,
                        std::vector<client::ConfigChange>* changes) {
  for (const std::string& pair : pairs) {
    size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return ErrorStatus(ErrorCode::INVALID_CONFIG,
                         "a change is key=value, not '" + pair + "'");
    }
    changes->push_back(
        {pair.substr(0, equals), operation, pair.substr(equals + 1)});
  }
  return absl::OkStatus();
}

Json ToJson(const client::ConfigValue& config) {
  Json synonyms = Json::array();
  for (const auto& synonym : config.synonyms) {
    synonyms.push_back({{"name", synonym.name},
                        {"value", synonym.value},
                        {"source", synonym.source}});
  }
  return {{"name", config.name},
          {"value", config.sensitive ? Json(nullptr) : Json(config.value)},
          {"source", config.source},
          {"type", config.type},
          {"read_only", config.read_only},
          {"sensitive", config.sensitive},
          {"documentation", config.documentation},
          {"synonyms", synonyms}};
}

std::string Synonyms(const client::ConfigValue& config) {
  std::string text;
  for (const auto& synonym : config.synonyms) {
    text += fmt::format("{}{}:{}={}", text.empty() ? "" : ",", synonym.source,
                        synonym.name, synonym.value);
  }
  return text;
}

}  // namespace

void AddEditOptions(CLI::App* command, ConfigEdits* edits) {
  command->add_option("--set", edits->set, "key=value")
      ->allow_extra_args(false);
  command->add_option("--unset", edits->unset, "key: back to its default")
      ->allow_extra_args(false);
  command->add_option("--append", edits->append, "key=item, for lists")
      ->allow_extra_args(false);
  command->add_option("--subtract", edits->subtract, "key=item, for lists")
      ->allow_extra_args(false);
  command->add_flag("-n,--dry-run", edits->dry_run, "only check");
}

absl::Status EditConfig(Context& context,
                        const client::ConfigResource& resource,
                        const ConfigEdits& edits) {
  using Change = client::ConfigChange;
  std::vector<Change> changes;
  RETURN_IF_ERROR(AddChanges(edits.set, Change::kSet, &changes));
  RETURN_IF_ERROR(AddChanges(edits.append, Change::kAppend, &changes));
  RETURN_IF_ERROR(AddChanges(edits.subtract, Change::kSubtract, &changes));
  for (const std::string& key : edits.unset) {
    changes.push_back({key, Change::kUnset, ""});
  }
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  absl::Status status = admin->AlterConfig(resource, changes, edits.dry_run);
  context.ReportRefusal(status);
  if (!status.ok() && !context.json) return absl::OkStatus();
  std::string word = status.ok() ? (edits.dry_run ? "VALID" : "CHANGED")
                                 : ErrorName(ErrorCodeOf(status));
  Table table({"KEY", "CHANGE", "VALUE", "STATUS"});
  Json document = Json::array();
  for (const Change& change : changes) {
    constexpr const char* kWords[] = {"set", "unset", "append", "subtract"};
    const char* operation = kWords[change.operation];
    table.Add({change.name, operation, change.value, word});
    document.push_back({{"name", change.name},
                        {"change", operation},
                        {"value", change.value},
                        {"status", word}});
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

absl::Status ListConfig(Context& context,
                        const client::ConfigResource& resource,
                        const ConfigView& view) {
  ASSIGN_OR_RETURN(auto admin, context.MakeAdmin());
  ASSIGN_OR_RETURN(auto configs, admin->DescribeConfig(resource));
  for (const std::string& key : view.keys) {
    bool known = std::any_of(configs.begin(), configs.end(),
                             [&](const auto& c) { return c.name == key; });
    if (!known) {
      return ErrorStatus(ErrorCode::INVALID_CONFIG,
                         resource.ToString() + " has no key '" + key + "'");
    }
  }
  std::vector<std::string> headings = {"KEY", "VALUE", "SOURCE"};
  if (view.synonyms) headings.push_back("SYNONYMS");
  Table table(headings);
  Json document = Json::array();
  for (const client::ConfigValue& config : configs) {
    bool asked = view.keys.empty() ||
                 std::count(view.keys.begin(), view.keys.end(), config.name);
    if (!asked || (view.changed_only && config.source == "DEFAULT")) continue;
    std::vector<std::string> row = {
        config.name, config.sensitive ? "(hidden)" : config.value,
        config.source};
    if (view.synonyms) row.push_back(Synonyms(config));
    table.Add(std::move(row));
    document.push_back(ToJson(config));
  }
  context.json ? PrintJson(document) : table.Print();
  return absl::OkStatus();
}

void RegisterConfigCommands(CLI::App& app, Context& context) {
  CLI::App* config = app.add_subcommand(
      "config", "configuration of topics and brokers (topic/NAME, broker/ID, "
                "broker/* for all brokers)");
  config->require_subcommand(1);
  config->fallthrough();

  struct Options {
    std::string entity;
    std::vector<std::string> items;
    ConfigView view;
    ConfigEdits edits;
  };
  auto options = std::make_shared<Options>();

  CLI::App* list = config->add_subcommand("list", "keys, values and sources");
  list->alias("ls");
  list->fallthrough();
  list->add_option("ENTITY", options->entity)->required();
  list->add_flag("--changed", options->view.changed_only,
                 "only what is not the default");
  list->add_flag("--synonyms", options->view.synonyms,
                 "what each value comes from and falls back to");
  OnRun(list, context, [&context, options]() -> absl::Status {
    ASSIGN_OR_RETURN(auto resource, ParseEntity(options->entity));
    return ListConfig(context, resource, options->view);
  });

  CLI::App* get = config->add_subcommand("get", "some keys");
  get->fallthrough();
  get->add_option("ENTITY", options->entity)->required();
  get->add_option("KEY", options->view.keys)->required();
  OnRun(get, context, [&context, options]() -> absl::Status {
    ASSIGN_OR_RETURN(auto resource, ParseEntity(options->entity));
    return ListConfig(context, resource, options->view);
  });

  CLI::App* set = config->add_subcommand("set", "changes keys");
  set->fallthrough();
  set->footer("  sillok config set topic/orders retention.ms=604800000\n"
              "  sillok config set broker/* log.retention.hours=48 --dry-run");
  set->add_option("ENTITY", options->entity)->required();
  set->add_option("CHANGE", options->edits.set, "key=value");
  set->add_option("--append", options->edits.append, "key=item, for lists")
      ->allow_extra_args(false);
  set->add_option("--subtract", options->edits.subtract, "key=item, for lists")
      ->allow_extra_args(false);
  set->add_flag("-n,--dry-run", options->edits.dry_run, "only check");
  OnRun(set, context, [&context, options]() -> absl::Status {
    if (options->edits.empty()) {
      context.UsageError("config set takes at least one key=value");
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(auto resource, ParseEntity(options->entity));
    return EditConfig(context, resource, options->edits);
  });

  CLI::App* unset = config->add_subcommand("unset", "back to the default");
  unset->fallthrough();
  unset->add_option("ENTITY", options->entity)->required();
  unset->add_option("KEY", options->edits.unset)->required();
  unset->add_flag("-n,--dry-run", options->edits.dry_run, "only check");
  OnRun(unset, context, [&context, options]() -> absl::Status {
    ASSIGN_OR_RETURN(auto resource, ParseEntity(options->entity));
    return EditConfig(context, resource, options->edits);
  });
}

}  // namespace sillok::tools
