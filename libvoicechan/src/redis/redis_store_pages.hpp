#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "redis/redis_store_link.hpp"
#include "redis/redis_store_records.hpp"

namespace voicechan::redis {

/// So many records Redis gives within a millisecond or two, in which nobody else is served.
inline constexpr std::size_t kPageRecords = 1000;

/// The records of a sorted set with an id above `after`, ascending, at most `limit`, as `parse`
/// makes them.
template <class Row>
Result<std::vector<Row>> read_page(StoreLink& link, std::string_view key, std::int64_t after,
                                   std::size_t limit,
                                   std::optional<Row> (*parse)(std::string_view)) {
  std::vector<Row> rows;
  const auto page = link.ask({"ZRANGEBYSCORE", key, '(' + std::to_string(after), "+inf", "LIMIT",
                              "0", std::to_string(limit)});
  if (!page) return page.error();
  for (const RedisReply& member : page->elements) {
    auto row = parse(text_of(member));
    if (!row) return Errc::store_corrupt;
    rows.push_back(*std::move(row));
  }
  return rows;
}

/// The same of any length, page by page.
template <class Row, class IdOf>
Result<std::vector<Row>> read_pages(StoreLink& link, std::string_view key, std::int64_t after,
                                    std::size_t limit,
                                    std::optional<Row> (*parse)(std::string_view), IdOf id_of) {
  std::vector<Row> rows;
  after = std::max<std::int64_t>(after, 0);
  while (rows.size() < limit && after < kMaxRedisId) {
    const std::size_t wanted = std::min(kPageRecords, limit - rows.size());
    auto page = read_page(link, key, after, wanted, parse);
    if (!page) return page.error();
    for (Row& row : *page) rows.push_back(std::move(row));
    if (page->size() < wanted) break;
    after = id_of(rows.back());
  }
  return rows;
}

/// All tokens on the deny-list, by ascending id.
Result<std::vector<StoredRevocation>> read_revocations(StoreLink& link);

}  // namespace voicechan::redis
