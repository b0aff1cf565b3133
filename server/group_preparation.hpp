#pragma once

#include <functional>
#include <memory>
#include <string>

#include "voicechan/backplane.hpp"

namespace voicechan::server {

class Connection;

/// Has what other processes publish to a group come to this one, for a connection that is about to
/// join it; not any more when it is destroyed. One thread at a time: the worker's.
class GroupPreparation {
 public:
  /// Unless it is ready at once, `on_ready` is called on the worker's thread when it is, if this
  /// exists and the connection is open then; it may destroy this.
  GroupPreparation(Connection& connection, const std::string& group,
                   std::function<void()> on_ready);

  bool is_ready() const noexcept { return preparation_.is_ready; }

 private:
  // What is posted for one that has gone finds nothing.
  const std::shared_ptr<const std::function<void()>> on_ready_;
  const Preparation preparation_;
};

}  // namespace voicechan::server
