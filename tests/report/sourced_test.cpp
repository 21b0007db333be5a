// Every figure of a page is followed to its file, written again and compared with what the page shows.
#include "report/sourced.h"

#include <gmock/gmock.h>

#include <fstream>
#include <regex>
#include <set>

#include "report/page.h"
#include "report/run_folder.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using testing::HasSubstr;
SilentProgress silent;

TEST(Source, IsAFileAndAPointer) {
  EXPECT_EQ((Source("a.json") / "x" / size_t{3}).text(), "a.json#/x/3");
  EXPECT_EQ((Source("p.jsonl", 1) / "header").text(), "p.jsonl#1/header");
  EXPECT_EQ((Source("a b#.json") / "50%" / "x/y~z").text(), "a%20b%23.json#/50%25/x~1y~0z");
}

TEST(Written, ReadsWhatItWrites) {
  for (const Written& how : {Written{}, Written{Form::percent}, Written{Form::interval, -100},
                             Written{Form::decimals, 1e3, 2}, Written{Form::p_alone}}) {
    const Written back = Written::of(how.text());
    EXPECT_EQ(back.form, how.form) << how.text();
    EXPECT_EQ(back.scale, how.scale) << how.text();
    EXPECT_EQ(back.digits, how.digits) << how.text();
  }
  EXPECT_EQ(test::error_of([] { Written::of("colour"); }), "data-as: \"colour\" is no form of a figure");
}

TEST(Sourced, IsOneElementAFigure) {
  EXPECT_EQ(sourced(0.0421, Source("a.json") / "p", {Form::p}),
            "<span class=\"num\" data-from=\"a.json#/p\" data-as=\"p\">p\u00a0=\u00a0.04</span>");
  EXPECT_EQ(sourced(std::nullopt, Source("a.json"), {}), "–");
  EXPECT_EQ(plain_text(sourced(-0.8, -0.7, Source("a.json"), {Form::interval, -100})), "[70, 80]");
  EXPECT_EQ(plain_text(sourced(3, Source("a"), 12, Source("b"), Form::quotient)), "25 %");
}

// A figure of the page, and what stands outside every figure but has a digit in it.
struct Figure {
  std::string from, as, text;
};
struct Figures {
  std::vector<Figure> all;
  std::vector<std::string> unsourced, charts;
};

// Digits in these are no figures: names and texts out of files, headings, what the page explains.
bool is_prose(const std::string& tag, const std::string& attributes) {
  static const std::set<std::string> tags{"h1", "h2",  "h3",      "h4", "th",        "dt",
                                          "dd", "pre", "summary", "em", "figcaption"};
  static const std::regex classes("class=\"(name|text|question|unit|caption|notes|said|settings)\"");
  return tags.contains(tag) || std::regex_search(attributes, classes);
}

Figures figures_of(const std::string& page) {
  const size_t begin = page.find("<main>");
  const std::string html = page.substr(begin, page.find("</main>") - begin);
  static const std::regex tag("<(/?)([a-z][a-z0-9]*)((?:\"[^\"]*\"|[^\"<>])*)>"),
      from("data-from=\"([^\"]*)\""), as("data-as=\"([^\"]*)\""), digit("[0-9]");
  static const std::set<std::string> empty{"input", "br", "hr", "line", "circle"};
  struct Open {
    std::string tag, attributes;
  };
  std::vector<Open> open;
  Figures out;
  std::smatch found;
  const auto take_text = [&](const std::string& text) {
    const auto figure = std::find_if(
        open.begin(), open.end(), [](const Open& o) { return o.attributes.starts_with(" class=\"num\""); });
    if (figure != open.end()) {
      Figure one{"", "", text};
      if (std::regex_search(figure->attributes, found, from)) one.from = plain_text(found[1].str());
      if (std::regex_search(figure->attributes, found, as)) one.as = found[1];
      out.all.push_back(std::move(one));
    } else if (std::regex_search(text, digit) && std::none_of(open.begin(), open.end(), [](const Open& o) {
                 return is_prose(o.tag, o.attributes);
               })) {
      out.unsourced.push_back(open.back().tag + open.back().attributes + ": " + text);
    }
  };
  size_t at = 0;
  for (std::sregex_iterator it(html.begin(), html.end(), tag), end; it != end; ++it) {
    take_text(html.substr(at, static_cast<size_t>(it->position()) - at));
    at = static_cast<size_t>(it->position() + it->length());
    const std::string name = (*it)[2], attributes = (*it)[3];
    if ((*it)[1].length() > 0)
      open.pop_back();
    else if (!empty.contains(name))
      open.push_back({name, attributes});
    if (name == "figure" && std::regex_search(attributes, found, from)) out.charts.push_back(found[1]);
  }
  return out;
}

std::string decoded(std::string text) {
  for (const auto& [code, character] : {std::pair{"%20", " "}, {"%23", "#"}, {"%25", "%"}})
    for (size_t at = 0; (at = text.find(code, at)) != std::string::npos; ++at) text.replace(at, 3, character);
  return text;
}

json value_at(const std::filesystem::path& run, const std::string& source) {
  const size_t hash = source.find('#');
  const std::string name = decoded(source.substr(0, hash)), fragment = decoded(source.substr(hash + 1));
  if (name.ends_with(".safetensors")) {
    const Scores scores = read_scores(run / name);
    return json{{"t_cut", scores.t_cut}}.at(json::json_pointer(fragment));
  }
  if (!name.ends_with(".jsonl")) return read_json_file(run / name).at(json::json_pointer(fragment));
  const size_t slash = fragment.find('/');
  std::ifstream file(run / name);
  std::string line;
  for (int i = std::stoi(fragment.substr(0, slash)); i > 0; --i) std::getline(file, line);
  return json::parse(line).at(json::json_pointer(fragment.substr(slash)));
}

// What the page should show, by its files.
std::string text_by_files(const std::filesystem::path& run, const Figure& figure) {
  const Written how = Written::of(figure.as);
  std::vector<double> values;
  std::string rest = figure.from;
  for (size_t space = 0; space != std::string::npos;) {
    space = rest.find(' ');
    const json value = value_at(run, rest.substr(0, space));
    if (space != std::string::npos) rest = rest.substr(space + 1);
    if (how.form == Form::length)
      values.push_back(static_cast<double>(value.size()));
    else if (value.is_array())
      for (const json& one : value) values.push_back(one.get<double>());
    else
      values.push_back(value.get<double>());
  }
  return write_figure(how, values);
}

// A run with everything that a page can show.
class FullRun : public RunFolder {
 public:
  FullRun() {
    write(
        "accuracy.json",
        {{"sft", {{"math", {{"n", 40}, {"correct", 20}, {"accuracy", 0.5}, {"wilson95", {0.35, 0.65}}}}}},
         {"grpo", {{"math", {{"n", 40}, {"correct", 30}, {"accuracy", 0.75}, {"wilson95", {0.6, 0.86}}}}}}});
    write("accuracy_pairs.json", {{"pairs",
                                   {{{"before", "sft"},
                                     {"after", "grpo"},
                                     {"data", "math"},
                                     {"questions", 40},
                                     {"only_before", 2},
                                     {"only_after", 12},
                                     {"difference", 0.25},
                                     {"p", 0.013},
                                     {"p_adjusted", 0.026},
                                     {"test", "exact McNemar"}}}}});
    const ContrastFigure effect{-0.25, -0.5, 0.125, "BCa", ""};
    for (const char* cut : {"alpha-0.1", "alpha-0.5"}) {
      MetricsFile file = read_metrics_file(metrics(cut));
      file.two_by_two = {{"act_intensity", 8, 2, 7, 3, effect, effect, effect}};
      file.metrics[0].relative_low = -0.8;
      file.metrics[0].relative_high = -0.7;
      write_metrics_file(metrics(cut), file);
      for (MetricComparison& m : file.metrics)
        if (m.difference) m.difference = 0;
      const auto null = path / "pairs/grpo/math/null" / cut / "metrics.json";
      std::filesystem::create_directories(null.parent_path());
      write_metrics_file(null, file);
      write(std::filesystem::path("pairs/grpo/math/noise") / (std::string(cut) + ".json"),
            {{"copies", 20},
             {"metrics",
              {{"act_intensity",
                {{"before", 0.25},
                 {"effect", 0.0625},
                 {"noise_mean", 0.03125},
                 {"noise_sd", 0.0125},
                 {"p", 0.0476},
                 {"reason", ""}}}}}});
    }
  }
};

TEST(Page, EveryFigureIsThatOfItsFile) {
  const FullRun run;
  const Figures figures = figures_of(build_page(read_report_input(run.path, silent)));
  EXPECT_GT(figures.all.size(), 100u);
  for (const Figure& figure : figures.all)
    EXPECT_EQ(plain_text(figure.text), text_by_files(run.path, figure)) << figure.from << " as " << figure.as;
  std::set<std::string> files;
  for (const Figure& figure : figures.all) files.insert(figure.from.substr(0, figure.from.find('#')));
  for (const char* file :
       {"accuracy.json", "accuracy_pairs.json", "corrections.json", "pairs/grpo/math/pairs.jsonl",
        "pairs/grpo/math/compare/alpha-0.5/metrics.json", "pairs/grpo/math/noise/alpha-0.5.json",
        "pairs/grpo/math/null/alpha-0.5/metrics.json", "grade/sft/math.jsonl",
        "pairs/grpo/math/attribute/before/scores.alpha-0.5.safetensors"})
    EXPECT_TRUE(files.contains(file)) << file;
}

TEST(Page, NoFigureIsWithoutItsSource) {
  const FullRun run;
  const std::string page = build_page(read_report_input(run.path, silent));
  EXPECT_THAT(figures_of(page).unsourced, testing::IsEmpty());
  EXPECT_THAT(figures_of(page).charts,
              testing::IsSupersetOf({"table.csv#metric=node_entropy",
                                     "pairs/*/*/compare/*/metrics.json#/relative_change",
                                     "pairs/*/*/compare/*/metrics.json#/decomposition"}));
  // The check itself: a number written by hand is found, and so is one that is not its file's.
  const Figures planted =
      figures_of("<main><p>fell by 75 %</p><p class=\"caption\">95 % intervals</p><td>" +
                 sourced(4.0, Source("corrections.json") / "tests", {Form::count}) + "</td></main>");
  EXPECT_THAT(planted.unsourced, testing::ElementsAre(HasSubstr("fell by 75 %")));
  EXPECT_NE(plain_text(planted.all.at(0).text), text_by_files(run.path, planted.all.at(0)));
}

}  // namespace
}  // namespace circuitdiff
