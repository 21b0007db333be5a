#include "report/page_frame.h"

#include <fmt/format.h>

#include "report/html.h"

extern const char circuitdiff_vega_bundle[], circuitdiff_vega_bundle_end[];
extern const char circuitdiff_page_css[], circuitdiff_page_css_end[];
extern const char circuitdiff_page_js[], circuitdiff_page_js_end[];

namespace circuitdiff::page {
namespace {

std::string_view asset(const char* begin, const char* end) {
  return {begin, static_cast<size_t>(end - begin)};
}

}  // namespace

std::string figure(const char* id, const std::string& from, const std::string& caption,
                   const std::string& extra) {
  return fmt::format(
      "<figure class=\"chart\" id=\"figure-{0}\" data-chart=\"{0}\" data-from=\"{3}\"><div class=\"plot\" "
      "tabindex=\"0\" "
      "role=\"img\" "
      "aria-labelledby=\"caption-{0}\"></div>{2}<figcaption id=\"caption-{0}\">{1}</figcaption>"
      "<div class=\"tools\"><button type=\"button\" data-save=\"svg\">SVG</button><button type=\"button\" "
      "data-save=\"png\">PNG</button><button type=\"button\" data-save=\"csv\">CSV</button></div>"
      "<details class=\"as-table\"><summary>These numbers as a table</summary><div "
      "class=\"wide\"></div></details></figure>\n",
      id, caption, extra, escape_html(from));
}

std::string frame(const std::string& title, const std::string& lead, const std::string& switches,
                  const std::vector<Section>& sections, const nlohmann::ordered_json& data) {
  const std::string name = escape_html(title);
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline' "
      "'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n";
  out += "<title>" + name + " · circuitdiff</title>\n<style>\n";
  out += asset(circuitdiff_page_css, circuitdiff_page_css_end);
  out +=
      "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#found\">Skip to the findings</a>\n<header "
      "class=\"top\"><p class=\"brand\">circuitdiff</p>" +
      switches +
      "<button type=\"button\" id=\"theme\" aria-label=\"Light or dark\" title=\"Light or "
      "dark\">◐</button></header>\n";
  out += "<div class=\"columns\">\n<nav aria-label=\"Contents\"><ol>";
  for (const Section& s : sections)
    if (!s.body.empty()) out += fmt::format("<li><a href=\"#{}\">{}</a></li>", s.id, s.title);
  out += "</ol></nav>\n<main>\n<h1>" + name + "</h1>\n";
  out += "<p class=\"lead\">" + escape_html(lead) + "</p>\n";
  for (const Section& s : sections) {
    if (s.body.empty()) continue;
    out += fmt::format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", s.id, s.title, s.body);
  }
  out +=
      "</main>\n</div>\n<noscript><p class=\"noscript\">The charts need JavaScript; the numbers are all in "
      "the tables.</p></noscript>\n";
  out += "<script type=\"application/json\" id=\"data\">" + json_for_script(data) + "</script>\n<script>";
  out += asset(circuitdiff_vega_bundle, circuitdiff_vega_bundle_end);
  out += "</script>\n<script>\n";
  out += asset(circuitdiff_page_js, circuitdiff_page_js_end);
  return out + "</script>\n</body>\n</html>\n";
}

}  // namespace circuitdiff::page
