#include "static_site.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>

#include "server_fixture.hpp"

namespace voicechan::server {
namespace {

namespace fs = std::filesystem;

class StaticSiteTest : public ServerFixture {
 protected:
  StaticSiteTest() {
    std::string name = (fs::temp_directory_path() / "voicechan-site-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    write("index.html", "<!doctype html>welcome");
    write("app.js", "let a = 1;");
    write("inner/index.html", "inner");
    write("name with ї.txt", "x");
    write(".secret", "no");
    write(".git/config", "no");
  }
  ~StaticSiteTest() override { fs::remove_all(folder_); }

  void write(const std::string& name, const std::string& content) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }

  std::optional<HttpResponse> get(const std::string& target) const {
    HttpRequest request;
    request.method = "GET";
    request.target = target;
    return StaticSite(folder_.string()).answer(request);
  }

  static std::string field(const HttpResponse& response, const std::string& name) {
    for (const auto& [each, value] : response.fields) {
      if (each == name) return value;
    }
    return {};
  }

  fs::path folder_;
};

TEST_F(StaticSiteTest, ShowsFilesByPathAndIndexesByFolder) {
  EXPECT_EQ(get("/")->body, "<!doctype html>welcome");
  EXPECT_EQ(get("/?lang=uk")->body, "<!doctype html>welcome");
  EXPECT_EQ(get("/app.js")->body, "let a = 1;");
  EXPECT_EQ(get("/inner/")->body, "inner");
  EXPECT_EQ(get("/name%20with%20%D1%97.txt")->body, "x");
  EXPECT_EQ(field(*get("/app.js"), "Content-Type"), "text/javascript; charset=utf-8");
}

TEST_F(StaticSiteTest, ShowsNothingElse) {
  std::ofstream(folder_.string() + ".outside") << "no";
  const std::string outside = "/../" + folder_.filename().string() + ".outside";
  for (const char* target : {"/.secret", "/.git/config", outside.c_str(), "/%2e%2e/etc/passwd",
                             "/inner", "/nothing.js", "//app.js", "/app.js/", "/%00", "/%zz"}) {
    EXPECT_FALSE(get(target)) << target;
  }
  fs::remove(folder_.string() + ".outside");
}

TEST_F(StaticSiteTest, SaysWhatIsWrongWithAFolder) {
  EXPECT_THROW(StaticSite((folder_ / "missing").string()), std::runtime_error);
  EXPECT_THROW(StaticSite((folder_ / "app.js").string()), std::runtime_error);
  fs::remove(folder_ / "index.html");
  EXPECT_THROW(StaticSite(folder_.string()), std::runtime_error);
}

TEST_F(StaticSiteTest, RefusesMoreThanASite) {
  write("large.bin", "");
  fs::resize_file(folder_ / "large.bin", StaticSite::kMaxBytes);
  EXPECT_THROW(StaticSite(folder_.string()), std::runtime_error);
}

TEST_F(StaticSiteTest, ServesPagesBesideTheApi) {
  options_.www_directory = folder_.string();
  start();
  SocketClient client = connect();
  client.send(request("GET", "/"));
  const std::string page = client.read_response();
  EXPECT_EQ(page.substr(0, 15), "HTTP/1.1 200 OK");
  EXPECT_NE(page.find("\r\nContent-Type: text/html; charset=utf-8\r\n"), std::string::npos);
  EXPECT_EQ(page.find("no-store"), std::string::npos);
  EXPECT_NE(page.find("script-src 'self'"), std::string::npos);
  EXPECT_NE(page.find("welcome"), std::string::npos);

  const std::size_t tag = page.find("\r\nETag: ") + 8;
  const std::string etag = page.substr(tag, page.find("\r\n", tag) - tag);
  client.send("GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: " + etag + "\r\n\r\n" +
              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" +
              "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n" +
              "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string rest = client.read_to_end();
  EXPECT_EQ(rest.substr(0, 12), "HTTP/1.1 304");
  EXPECT_NE(rest.find("HTTP/1.1 405"), std::string::npos);
  EXPECT_NE(rest.find("\r\nAllow: GET, HEAD, OPTIONS\r\n"), std::string::npos);
  EXPECT_NE(rest.find("alive"), std::string::npos);
  EXPECT_NE(rest.find("HTTP/1.1 404"), std::string::npos);
}

}  // namespace
}  // namespace voicechan::server
