// What was made inside what, by the ids: "c7.c3" is client 7's, inside client 3's.
#pragma once

#include <sstream>
#include <string>
#include <vector>

namespace chg::sim {

/// The clients that an id names: its own, then those that it was made inside of, the nearest first.
inline std::vector<int> clients_of(const std::string& id) {
  std::vector<int> clients;
  std::istringstream parts(id);
  for (std::string part; std::getline(parts, part, '.');)
    clients.push_back(std::stoi(part.substr(1)));
  return clients;
}

inline int client_of(const std::string& id) { return clients_of(id).front(); }

inline bool is_made_inside(const std::string& id, const std::string& outer) {
  const std::vector<int> mine = clients_of(id);
  const std::vector<int> others = clients_of(outer);
  return !others.empty() && mine.size() > others.size() &&
         std::vector<int>(mine.end() - static_cast<std::ptrdiff_t>(others.size()), mine.end()) ==
             others;
}

}  // namespace chg::sim
