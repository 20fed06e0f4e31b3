// Replies as a Redis gives them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "store/redis/redis_connection.h"

namespace chg {

inline RedisReply text_reply(std::string text) {
  RedisReply reply;
  reply.type = RedisReply::Type::Text;
  reply.text = std::move(text);
  return reply;
}

inline RedisReply list_reply(std::vector<RedisReply> elements) {
  RedisReply reply;
  reply.type = RedisReply::Type::Array;
  reply.elements = std::move(elements);
  return reply;
}

}  // namespace chg
