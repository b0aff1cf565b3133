#include "group_preparation.hpp"

#include <utility>

#include "connection.hpp"
#include "worker.hpp"

namespace voicechan::server {
namespace {

Preparation prepare(Connection& connection, const std::string& group,
                    std::weak_ptr<const std::function<void()>> on_ready) {
  Worker& worker = connection.worker();
  return worker.services().backplane.prepare(
      group, [&worker, weak = connection.weak_from_this(), on_ready = std::move(on_ready)] {
        worker.post([weak, on_ready] {
          const auto alive = weak.lock();
          const auto action = on_ready.lock();
          if (alive && action) alive->run_if_open(*action);
        });
      });
}

}  // namespace

GroupPreparation::GroupPreparation(Connection& connection, const std::string& group,
                                   std::function<void()> on_ready)
    : on_ready_(std::make_shared<const std::function<void()>>(std::move(on_ready))),
      preparation_(prepare(connection, group, on_ready_)) {}

}  // namespace voicechan::server
