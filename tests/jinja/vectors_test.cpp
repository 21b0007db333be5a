// The chat templates of released models against conversations rendered by transformers.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "jinja/chat_template.h"

namespace circuitdiff {
namespace {

const std::filesystem::path kFolder =
    std::filesystem::path(CIRCUITDIFF_SOURCE_DIR) / ".." / "shared" / "templates";

std::string read(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST(ReleasedTemplates, RenderAsTransformersDoes) {
  if (!std::filesystem::exists(kFolder / "render_public.json")) GTEST_SKIP() << kFolder << " is not there";
  const auto described = nlohmann::ordered_json::parse(read(kFolder / "templates.json"));
  const auto rows = nlohmann::ordered_json::parse(read(kFolder / "render_public.json"));
  std::map<std::string, ChatTemplate> templates;
  for (const auto& [name, entry] : described.items())
    templates.emplace(name, ChatTemplate(read(kFolder / entry["file"].get<std::string>()), name));
  ASSERT_GT(rows.size(), 300u);
  for (const auto& row : rows) {
    SCOPED_TRACE(row["id"].get<std::string>());
    nlohmann::ordered_json variables;
    for (const char* name : {"messages", "tools", "add_generation_prompt", "bos_token", "eos_token"})
      variables[name] = row[name];
    const ChatTemplate& chat = templates.at(row["template"].get<std::string>());
    if (row["error"].is_null()) {
      EXPECT_EQ(chat.render(variables), row["rendered"].get<std::string>());
    } else {
      try {
        chat.render(variables);
        ADD_FAILURE() << "no error";
      } catch (const TemplateError& error) {
        EXPECT_EQ(error.kind() + ": " + error.what(), row["error"].get<std::string>());
      }
    }
  }
}

}  // namespace
}  // namespace circuitdiff
