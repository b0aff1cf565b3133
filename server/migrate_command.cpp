#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <string>

#include "commands.hpp"
#include "database_command.hpp"

namespace voicechan::server {
namespace {

namespace json = boost::json;

/// Tells on standard error what is being done: each step once it is done, and every second how far
/// a long one has come.
class Progress {
 public:
  void on_rows(std::string_view what, std::size_t rows) {
    const auto now = std::chrono::steady_clock::now();
    if (what != what_) {
      tell();
      told_at_ = now;
      is_told_ = false;
    }
    is_told_ &= what == what_ && rows == rows_;
    what_ = what;
    rows_ = rows;
    if (now - told_at_ < std::chrono::seconds(1)) return;
    tell();
    told_at_ = now;
  }

  void tell() {
    if (!what_.empty() && !is_told_) std::cerr << what_ << ": " << rows_ << '\n';
    is_told_ = true;
  }

 private:
  std::string what_;
  std::size_t rows_ = 0;
  bool is_told_ = false;
  std::chrono::steady_clock::time_point told_at_;
};

}  // namespace

int run_migrate_command(const CommandLine& line) {
  const auto from = open_archive(line.migrate_from, /*may_create=*/false);
  if (from.store == nullptr) return fail(from.error);
  const auto to = open_archive(line.migrate_to, /*may_create=*/true);
  if (to.store == nullptr) return fail(to.error);
  for (const std::string& warning : to.warnings) std::cerr << "warning: " << warning << '\n';

  Progress progress;
  const MigrationReport report =
      migrate_store(*from.store, *to.store,
                    [&](std::string_view what, std::size_t rows) { progress.on_rows(what, rows); });
  progress.tell();
  if (!report.failure.empty()) return fail("nothing was moved: " + report.failure);
  std::cout << json::serialize(json::object{{"users", report.users},
                                            {"channels", report.channels},
                                            {"invitations", report.invitations},
                                            {"revoked_tokens", report.revoked_tokens}})
            << '\n';
  return 0;
}

}  // namespace voicechan::server
