#include "health.hpp"

#include <gtest/gtest.h>

namespace voicechan::server {
namespace {

TEST(HealthTest, IsAliveInEveryPhase) {
  for (const auto phase : {ServicePhase::serving, ServicePhase::withdrawn, ServicePhase::draining,
                           ServicePhase::ended}) {
    const HttpResponse response = make_health_response(Endpoint::livez, phase);
    EXPECT_EQ(response.status, 200u);
    EXPECT_EQ(response.body, R"({"status":"alive"})");
  }
}

TEST(HealthTest, IsReadyWhenItServes) {
  const HttpResponse response = make_health_response(Endpoint::readyz, ServicePhase::serving);
  EXPECT_EQ(response.status, 200u);
  EXPECT_EQ(response.body, R"({"status":"ready"})");
}

TEST(HealthTest, SaysWhyItIsNotReady) {
  const HttpResponse withdrawn = make_health_response(Endpoint::readyz, ServicePhase::withdrawn);
  EXPECT_EQ(withdrawn.status, 503u);
  EXPECT_EQ(withdrawn.body,
            R"({"status":"out_of_service","detail":"The server was taken out of service."})");
  const HttpResponse draining = make_health_response(Endpoint::readyz, ServicePhase::draining);
  EXPECT_EQ(draining.status, 503u);
  EXPECT_EQ(draining.body, R"({"status":"draining","detail":"The server is stopping."})");
}

TEST(HealthTest, ARefusalSaysWhenToComeBack) {
  const HttpResponse response = make_refusal_response(ServicePhase::draining);
  EXPECT_EQ(response.status, 503u);
  EXPECT_EQ(response.fields, (HttpFields{{"Retry-After", "1"}}));
}

}  // namespace
}  // namespace voicechan::server
