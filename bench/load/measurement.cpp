#include "measurement.hpp"

#include "monotonic.hpp"
#include "report.hpp"

namespace voicechan::load {

Measurement::Measurement(pid_t server, EventLoop& loop)
    : server_(server), loop_(loop), start_(take()), begin_(start_), end_(start_) {}

Measurement::Moment Measurement::take() const {
  Moment moment{monotonic_ns(), own_usage(), std::nullopt};
  if (server_ != 0) moment.server = find_process_usage(server_);
  return moment;
}

void Measurement::begin() {
  loop_.busy() = Histogram();
  begin_ = end_ = take();
}

void Measurement::end() {
  end_ = take();
  busy_ = loop_.busy();
}

double Measurement::seconds() const noexcept { return to_seconds(end_.at_ns - begin_.at_ns); }

double Measurement::per_second(std::uint64_t count) const noexcept {
  return seconds() > 0 ? static_cast<double>(count) / seconds() : 0;
}

boost::json::object Measurement::generator() const {
  const double user = end_.own.user_seconds - begin_.own.user_seconds;
  const double system = end_.own.system_seconds - begin_.own.system_seconds;
  return {{"cpu_percent", rounded(seconds() > 0 ? 100 * (user + system) / seconds() : 0)},
          {"user_s", rounded(user)},
          {"system_s", rounded(system)},
          {"loop_lag_p99_us", to_us(busy_.percentile(99))},
          {"loop_lag_max_us", to_us(busy_.max())}};
}

boost::json::object Measurement::server(std::uint64_t work, const char* per_unit) const {
  if (!start_.server || !begin_.server || !end_.server) return {};
  const double user = end_.server->user_seconds - begin_.server->user_seconds;
  const double system = end_.server->system_seconds - begin_.server->system_seconds;
  const double cpu = end_.server->cpu_seconds - begin_.server->cpu_seconds;
  const auto per = [&](double spent) {
    return rounded(work > 0 ? spent * 1e6 / static_cast<double>(work) : 0);
  };
  const std::string unit = std::string("_us_per_") + per_unit;
  return {{"cpu_percent", rounded(seconds() > 0 ? 100 * cpu / seconds() : 0)},
          {"user" + unit, per(user)},
          {"system" + unit, per(system)},
          {"cpu" + unit, per(cpu)},
          {"rss_kib_before_connecting", start_.server->rss_kib},
          {"rss_kib_begin", begin_.server->rss_kib},
          {"rss_kib_end", end_.server->rss_kib},
          {"rss_kib_difference", end_.server->rss_kib - begin_.server->rss_kib}};
}

}  // namespace voicechan::load
