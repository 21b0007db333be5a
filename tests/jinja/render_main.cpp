// Renders templates for the comparison with jinja2 (differential.py): JSON lines {"template", "context"} in,
// {"text"} or
// {"error", "kind"} out. The clock stands at 2024-07-26 13:14:15.000678.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "jinja/chat_template.h"

int main() {
  const circuitdiff::Clock clock = [] {
    circuitdiff::LocalTime now;
    now.date.tm_year = 124;
    now.date.tm_mon = 6;
    now.date.tm_mday = 26;
    now.date.tm_hour = 13;
    now.date.tm_min = 14;
    now.date.tm_sec = 15;
    now.date.tm_wday = 5;
    now.date.tm_yday = 207;
    now.microsecond = 678;
    return now;
  };
  std::string line;
  while (std::getline(std::cin, line)) {
    const auto row = nlohmann::ordered_json::parse(line);
    nlohmann::ordered_json result;
    try {
      const circuitdiff::ChatTemplate chat(row["template"].get<std::string>());
      result["text"] = chat.render(row["context"], clock);
    } catch (const circuitdiff::TemplateError& error) {
      result["error"] = error.what();
      result["kind"] = error.kind();
    } catch (const circuitdiff::Error& error) {
      result["error"] = error.what();
      result["kind"] = "TemplateSyntaxError";
    }
    std::cout << result.dump() << '\n';
  }
}
