// sillok bench coord grpc: calls a second, and how long each takes, of the C++
// client's sessions, which each keep some calls under way.
#include "tools/bench_sessions.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/process.h"
#include "base/status_macros.h"
#include "base/strand.h"
#include "base/timer.h"
#include "coordinator/client/blocking_session.h"
#include "coordinator/client/session.h"
#include "fmt/format.h"
#include "tools/coord_session.h"
#include "tools/latencies.h"

namespace sillok::tools {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Options {
  std::string dir;
  std::string op = "set";
  int64_t count = 20'000;  // over all sessions
  int sessions = 1;
  int outstanding = 1;  // of each session
  int64_t size = 100;   // bytes of data
  int threads = 2;
  std::string path;  // "" = one of its own
};

// Counts calls down to none.
class Countdown {
 public:
  explicit Countdown(int64_t count) : left_(count) {}
  void Down() {
    if (--left_ > 0) return;
    std::lock_guard lock(mutex_);
    over_ = true;
    wake_.notify_all();
  }
  void Await() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return over_; });
  }

 private:
  std::atomic<int64_t> left_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool over_ = false;
};

// One session. All but the constructor and destructor runs on its strand.
class Worker {
 public:
  Worker(const Options& options, coord::SessionOptions session,
         const std::string& path, int64_t count, Executor* executor,
         Timer* timer)
      : options_(options),
        path_(path),
        data_(static_cast<size_t>(options.size), 'x'),
        count_(count),
        strand_(executor),
        session_(std::move(session), executor, timer, &strand_, nullptr) {}

  // Its znode is there and its first answer has come.
  void Prepare(Countdown* ready) {
    session_.Create(path_, data_, v1::PERSISTENT,
                    [this, ready](const coord::CreateResult& result) {
                      if (result.code != v1::OK) first_error_ = result.code;
                      ready->Down();
                    });
  }
  void Start(Countdown* done) {
    done_ = done;
    strand_.Post([this] {
      for (int i = 0; i < options_.outstanding; ++i) Next();
    });
  }
  // What `create` made, many at a time.
  void CleanUp(Countdown* done) {
    done_ = done;
    strand_.Post([this] {
      if (made_.empty()) return done_->Down();
      for (int i = 0; i < 256; ++i) RemoveNext();
    });
  }

  const Latencies& latencies() const { return latencies_; }
  v1::CoordCode first_error() const { return first_error_; }
  int64_t errors() const { return errors_; }

 private:
  void Next() {
    if (issued_ == count_) return;
    ++issued_;
    auto began = SteadyClock::now();
    auto end = [this, began](v1::CoordCode code) { Ended(began, code); };
    if (options_.op == "create") {
      session_.Create(path_ + "/n", data_, v1::PERSISTENT_SEQUENTIAL,
                      [this, end](const coord::CreateResult& r) {
                        if (r.code == v1::OK) made_.push_back(r.path);
                        end(r.code);
                      });
    } else if (options_.op == "get") {
      session_.Get(path_, nullptr,
                   [end](const coord::GetResult& r) { end(r.code); });
    } else if (options_.op == "sync") {
      session_.Sync(path_, end);
    } else {
      session_.SetData(path_, data_, -1,
                       [end](const coord::StatResult& r) { end(r.code); });
    }
  }

  void Ended(SteadyClock::time_point began, v1::CoordCode code) {
    latencies_.Add(std::chrono::duration<double, std::micro>(
                       SteadyClock::now() - began)
                       .count());
    if (code != v1::OK) {
      ++errors_;
      if (first_error_ == v1::OK) first_error_ = code;
    }
    done_->Down();
    Next();
  }

  void RemoveNext() {
    if (removing_ == made_.size()) return;
    session_.Delete(made_[removing_++], -1, [this](v1::CoordCode) {
      if (++removed_ == made_.size()) return done_->Down();
      RemoveNext();
    });
  }

  const Options& options_;
  const std::string path_;
  const std::string data_;
  const int64_t count_;
  Countdown* done_ = nullptr;
  int64_t issued_ = 0;
  int64_t errors_ = 0;
  v1::CoordCode first_error_ = v1::OK;
  Latencies latencies_;
  std::vector<std::string> made_;
  size_t removing_ = 0;
  size_t removed_ = 0;
  Strand strand_;
  coord::Session session_;
};

void Print(const Context& context, const Options& options, double seconds,
           double cpu, int64_t errors, const Latencies& latencies) {
  double per_second = static_cast<double>(options.count) / seconds;
  double cpu_us = cpu * 1e6 / static_cast<double>(options.count);
  std::string text = fmt::format(
      "{} {}  sessions {}  outstanding {}  seconds {:.3f}  op/s {:.0f}  "
      "errors {}  client-us/op {:.1f}",
      options.op, options.count, options.sessions, options.outstanding,
      seconds, per_second, errors, cpu_us);
  Json document = {{"op", options.op},
                   {"ops", options.count},
                   {"sessions", options.sessions},
                   {"outstanding", options.outstanding},
                   {"size", options.size},
                   {"seconds", seconds},
                   {"ops_per_second", per_second},
                   {"errors", errors},
                   {"client_cpu_us_per_op", cpu_us}};
  Json shares;
  for (double share : {0.5, 0.95, 0.99, 0.999}) {
    std::string name = fmt::format("p{:g}", share * 100);
    shares[name] = latencies.Percentile(share) / 1000;
    text += fmt::format("  {} {:.3f}ms", name,
                        latencies.Percentile(share) / 1000);
  }
  shares["max"] = latencies.max() / 1000;
  text += fmt::format("  max {:.3f}ms", latencies.max() / 1000);
  document["latency_ms"] = shares;
  if (context.json) {
    PrintJson(document);
  } else {
    fmt::print("{}\n", text);
  }
}

absl::Status Run(Context& context, const Options& given) {
  Options options = given;
  CoordSession place(&context);
  place.dir = options.dir;
  ASSIGN_OR_RETURN(coord::BlockingSession * coordinators, place.Get());
  ASSIGN_OR_RETURN(coord::SessionOptions session, place.Options());
  options.sessions =
      static_cast<int>(std::min<int64_t>(options.sessions, options.count));
  std::string root = options.path;
  if (root.empty()) {
    root = fmt::format("/sillok-bench-{:08x}", std::random_device()());
  }
  v1::CoordCode code = coordinators->CreateParents(root);
  place.Refuse(code, root, "CREATE (on the parent)", -1);
  if (code != v1::OK) return absl::OkStatus();

  Executor executor("bench-coord", options.threads);
  Timer timer;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::string> paths;
  Countdown ready(options.sessions);
  for (int i = 0; i < options.sessions; ++i) {
    int64_t count = options.count / options.sessions +
                    (i < options.count % options.sessions ? 1 : 0);
    paths.push_back(fmt::format("{}/s{}", root, i));
    workers.push_back(std::make_unique<Worker>(options, session, paths.back(),
                                               count, &executor, &timer));
    workers.back()->Prepare(&ready);
  }
  ready.Await();
  for (size_t i = 0; i < workers.size(); ++i) {
    place.Refuse(workers[i]->first_error(), paths[i], "CREATE", -1);
    if (workers[i]->first_error() != v1::OK) return absl::OkStatus();
  }
  Countdown done(options.count);
  double cpu_before = ReadProcessUsage().cpu_seconds;
  auto start = SteadyClock::now();
  for (auto& worker : workers) worker->Start(&done);
  done.Await();
  double seconds =
      std::chrono::duration<double>(SteadyClock::now() - start).count();
  double cpu = ReadProcessUsage().cpu_seconds - cpu_before;

  Countdown cleaned(options.sessions);
  for (auto& worker : workers) worker->CleanUp(&cleaned);
  cleaned.Await();
  Latencies latencies;
  int64_t errors = 0;
  v1::CoordCode first_error = v1::OK;
  for (auto& worker : workers) {
    latencies.Merge(worker->latencies());
    errors += worker->errors();
    if (first_error == v1::OK) first_error = worker->first_error();
  }
  workers.clear();
  for (const std::string& path : paths) coordinators->Delete(path);
  if (options.path.empty()) coordinators->Delete(root);
  Print(context, options, seconds, cpu, errors, latencies);
  place.Refuse(first_error, root, options.op, -1);
  return absl::OkStatus();
}

}  // namespace

void RegisterBenchSessionsCommand(CLI::App& bench_coord, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* command = bench_coord.add_subcommand(
      "grpc", "an ensemble, through sessions of the C++ client");
  command->fallthrough();
  command
      ->add_option("--op", options->op,
                   "set, create (and delete afterwards, not measured), get or "
                   "sync")
      ->check(CLI::IsMember({"set", "create", "get", "sync"}))
      ->capture_default_str();
  command
      ->add_option("-n,--num-ops", options->count, "calls over all sessions")
      ->transform(CLI::AsNumberWithUnit(
          std::map<std::string, int64_t>{{"k", 1'000}, {"m", 1'000'000}},
          CLI::AsNumberWithUnit::CASE_INSENSITIVE))
      ->check(CheckPositive)
      ->capture_default_str();
  command->add_option("--sessions", options->sessions)
      ->check(CheckPositive)
      ->capture_default_str();
  command
      ->add_option("--outstanding", options->outstanding,
                   "calls under way at a time, of each session")
      ->check(CLI::Range(1, 16'000))
      ->capture_default_str();
  command->add_option("-s,--size", options->size, "bytes of data")
      ->check(CheckNotNegative)
      ->capture_default_str();
  command->add_option("--threads", options->threads, "of this client")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  command->add_option("--path", options->path,
                      "where its znodes are made; none: one of its own");
  command->add_option("--dir", options->dir,
                      "the coordinators of the local cluster in this folder");
  OnRun(command, context,
        [&context, options] { return Run(context, *options); });
}

}  // namespace sillok::tools
