#include "admin_api.hpp"

#include "json_views.hpp"
#include "metrics.hpp"
#include "worker.hpp"

namespace voicechan::server {

HttpResponse AdminApi::handle(const HttpRequest& /*request*/, const Route& route,
                              const ClientAddress& /*address*/) {
  if (route.endpoint == Endpoint::metrics) return show_metrics();
  return make_detail_response(404, "Not found.");
}

HttpResponse AdminApi::show_metrics() const {
  std::vector<const WorkerCounters*> counters;
  for (const auto& worker : sources_.workers) counters.push_back(&worker->counters());
  const Metrics metrics(std::move(counters), sources_.store, sources_.key_guard, sources_.backplane,
                        sources_.max_held_bytes);
  HttpResponse response;
  response.fields = {{"Content-Type", std::string(Metrics::kContentType)}};
  response.body = metrics.render();
  return response;
}

}  // namespace voicechan::server
