// A process of its own that uses recipes, told what to do line by line: what a
// test kills and pauses.
#ifndef SILLOK_TEST_COORDINATOR_CLIENT_RECIPES_RECIPE_PROCESS_H_
#define SILLOK_TEST_COORDINATOR_CLIENT_RECIPES_RECIPE_PROCESS_H_

#include <sys/types.h>

#include <chrono>
#include <string>

namespace sillok::coord {

// Runs recipe_program (see there for its commands). Ends with the object.
class RecipeProcess {
 public:
  RecipeProcess(const std::string& servers, int64_t session_timeout_ms);
  ~RecipeProcess();
  RecipeProcess(const RecipeProcess&) = delete;
  RecipeProcess& operator=(const RecipeProcess&) = delete;

  void Send(const std::string& line);
  // The next line it says; "" when none comes within 30 s or it has ended.
  std::string ReadLine();
  // Send and ReadLine.
  std::string Ask(const std::string& line);
  // The next line that begins with this; those before are dropped.
  std::string ReadUntil(const std::string& beginning);

  void Kill();    // SIGKILL, and waits
  void Pause();   // SIGSTOP
  void Resume();  // SIGCONT

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string buffer_;
};

}  // namespace sillok::coord

#endif  // SILLOK_TEST_COORDINATOR_CLIENT_RECIPES_RECIPE_PROCESS_H_
