#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace voicechan::redis {

/// Brings the subscriptions of one connection to what is wanted, whatever happens to it: it looks
/// at what is wanted and what is acknowledged, never at how that came about. At most one command
/// per topic is under way. No I/O: it says what to send, and is told what was answered.
///
/// That the server still has what it acknowledged is not asked again and again (PUBSUB NUMSUB): a
/// server takes subscriptions away with the connection only, whether it is cut, killed or loses its
/// rights, and a connection that only seems to stand fails the probes of BusInstance, which are
/// published and have to come back by it. Besides, the README's user need not have the right to.
class TopicReconciler {
 public:
  static constexpr std::size_t kBatch = 512;
  /// More would only wait in buffers.
  static constexpr std::size_t kMaxCommands = 4;

  struct Command {
    bool is_subscribe = true;
    std::vector<std::string> topics;
    std::size_t answered = 0;
  };

  void want(const std::string& topic, bool is_wanted);

  /// The connection is new: nothing is subscribed on it.
  void on_up();
  void on_down();

  /// The next command to send, which counts as sent; none: there is nothing to do now. It stands
  /// until the next call of anything else.
  const Command* next();

  /// The server's next acknowledgement. False: nobody asked for that, so the connection is not to
  /// be trusted any more.
  [[nodiscard]] bool acknowledge(bool is_subscribe, const std::string& topic);

  /// The server refused the oldest command that it has not answered, as a whole. False: there is
  /// none.
  [[nodiscard]] bool refuse();

  /// Tries again what was refused.
  void retry_refused();

  /// Whether the topic is subscribed, and nothing under way would change that.
  bool is_acknowledged(const std::string& topic) const;

  std::size_t acknowledged() const noexcept { return acknowledged_; }
  std::size_t size() const noexcept { return topics_.size(); }

 private:
  struct State {
    bool is_wanted = false;
    bool is_acknowledged = false;
    bool is_under_way = false;
    bool is_queued = false;  // in `due_` or `refused_`
  };

  void queue_if_due(const std::string& topic, State& state);

  std::unordered_map<std::string, State> topics_;
  std::deque<std::string> due_;
  std::vector<std::string> refused_;
  std::deque<Command> commands_;
  std::size_t acknowledged_ = 0;
  bool is_up_ = false;
};

}  // namespace voicechan::redis
