// Lines that tell what happens in a simulation.
#ifndef SILLOK_TEST_SIM_TRACE_H_
#define SILLOK_TEST_SIM_TRACE_H_

#include <cstdint>
#include <functional>
#include <sstream>
#include <string>

namespace sillok::sim {

// Begins with the virtual time: "1.007 ". Does nothing without a `trace`.
template <typename... Parts>
void TraceLine(const std::function<void(const std::string&)>& trace,
               int64_t now_us, const Parts&... parts) {
  if (!trace) return;
  std::ostringstream out;
  const int64_t ms = now_us / 1000;
  out << ms / 1000 << '.' << std::to_string(1000 + ms % 1000).substr(1) << ' ';
  (out << ... << parts);
  trace(out.str());
}

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_TRACE_H_
