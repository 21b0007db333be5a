// manifest.json: round trip, what a resumed stage is told, verification by hash.
#include "records/manifest.h"

#include <gmock/gmock.h>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Manifest sample() {
  Manifest m;
  m.command = "select";
  m.options = {{"alpha", {0.1, 0.3}}, {"filter", "both"}, {"limit", nullptr}};
  m.inputs = {{"before", "b.jsonl", std::string(64, 'a')}, {"after", "c.jsonl", std::string(64, 'b')}};
  m.details = {{"device", "cpu"}};
  return m;
}

TEST(Manifest, WhatIsWrittenIsReadBack) {
  const test::TempFolder folder;
  Manifest m = sample();
  m.outputs = {{"pairs", "p.jsonl", std::string(64, 'c')}};
  write_manifest(folder / "manifest.json", m);
  const Manifest back = read_manifest(folder / "manifest.json");
  EXPECT_EQ(back.to_json(), m.to_json());
  EXPECT_EQ(back.outputs.at(0).path, "p.jsonl");
  EXPECT_EQ(read_manifest(folder / "manifest.json").to_json()["circuitdiff"], kVersion);
}

TEST(Manifest, APathThatIsNotUtf8CanBeWritten) {
  const test::TempFolder folder;
  Manifest m = sample();
  m.inputs[0].path = "caf\xe9";
  write_manifest(folder / "manifest.json", m);
  EXPECT_EQ(read_manifest(folder / "manifest.json").inputs.at(0).path, "caf\xef\xbf\xbd");
}

TEST(Manifest, ErrorsNameTheField) {
  const test::TempFolder folder;
  const auto read = [&](const char* content) {
    const auto path = folder.write("m.json", content);
    return error_of([&] { read_manifest(path); });
  };
  EXPECT_THAT(read("[]"), HasSubstr("m.json: an object expected, an array found"));
  EXPECT_THAT(read("{"), HasSubstr("m.json: not valid JSON"));
  EXPECT_THAT(read(R"({"options": {}})"), HasSubstr("m.json: field \"command\" is missing"));
  EXPECT_THAT(read(R"({"command": "x"})"), HasSubstr("m.json: field \"options\" is missing"));
  EXPECT_THAT(read(R"({"command": "x", "options": 3})"),
              HasSubstr("field \"options\": an object expected, the number 3 found"));
  EXPECT_THAT(read(R"({"command": "x", "options": {}, "inputs": {}})"),
              HasSubstr("field \"inputs\": an array expected, an object found"));
  EXPECT_THAT(read(R"({"command": "x", "options": {}, "inputs": [3]})"),
              HasSubstr("m.json: inputs[0]: field \"role\" is missing"));
  EXPECT_THAT(read(R"({"command": "x", "options": {}, "outputs": [{"role": "r", "path": "p"}]})"),
              HasSubstr("m.json: outputs[0]: field \"sha256\" is missing (a string expected)"));
}

TEST(FirstChange, NamesOptionOrInput) {
  const Manifest begun = sample();
  const auto change = [&](auto&& edit) {
    Manifest now = sample();
    edit(now);
    return first_change(begun, now);
  };
  EXPECT_EQ(change([](Manifest&) {}), "");
  EXPECT_EQ(change([](Manifest& m) { m.details["device"] = "cuda"; }), "");  // recorded, never compared
  EXPECT_EQ(change([](Manifest& m) { m.inputs[0].path = "elsewhere/b.jsonl"; }),
            "");  // contents are compared
  EXPECT_EQ(change([](Manifest& m) { m.command = "grade"; }), "it was begun by `select`, not `grade`");
  EXPECT_EQ(change([](Manifest& m) { m.options["alpha"] = {0.1}; }),
            "option alpha was [0.1,0.3], is now [0.1]");
  EXPECT_EQ(change([](Manifest& m) { m.options["limit"] = 5; }), "option limit was unset, is now 5");
  EXPECT_EQ(change([](Manifest& m) { m.options.erase("filter"); }),
            "option filter was \"both\", is now unset");
  EXPECT_EQ(change([](Manifest& m) { m.inputs[1].sha256[0] = '0'; }), "input after (c.jsonl) has changed");
  EXPECT_EQ(change([](Manifest& m) { m.inputs.pop_back(); }), "input after (c.jsonl) is gone");
  EXPECT_EQ(change([](Manifest& m) { m.inputs.push_back({"extra", "e", "f"}); }), "input extra (e) is new");
}

TEST(BeginOrResume, BeginsContinuesRefusesAndOverwrites) {
  const test::TempFolder folder;
  const auto state = folder / "run/state.json";
  int discarded = 0;
  const auto discard = [&] { ++discarded; };
  EXPECT_FALSE(begin_or_resume(state, sample(), false, discard));
  EXPECT_EQ(discarded, 1);
  EXPECT_TRUE(begin_or_resume(state, sample(), false, discard));
  EXPECT_EQ(discarded, 1);
  Manifest other = sample();
  other.options["filter"] = "code";
  EXPECT_EQ(
      error_of([&] { begin_or_resume(state, other, false, discard); }),
      state.string() +
          ": cannot continue earlier work: option filter was \"both\", is now \"code\"; use --overwrite to "
          "begin anew");
  EXPECT_EQ(discarded, 1);
  EXPECT_FALSE(begin_or_resume(state, other, true, discard));
  EXPECT_EQ(discarded, 2);
  EXPECT_TRUE(begin_or_resume(state, other, false, discard));
}

TEST(RecordFolder, HangsOnNamesAndContentsOfTheFilesThatAreRead) {
  const test::TempFolder folder;
  folder.write("m/config.json", "{}");
  folder.write("m/model.safetensors", "x");
  const std::string hash = record_folder("model", folder / "m").sha256;
  folder.write("m/README.md", "words");
  EXPECT_EQ(record_path("model", folder / "m").sha256, hash);
  folder.write("m/config.json", "{} ");
  EXPECT_NE(record_folder("model", folder / "m").sha256, hash);
  folder.write("m/config.json", "{}");
  EXPECT_EQ(record_folder("model", folder / "m").sha256, hash);
  fs::rename(folder / "m/model.safetensors", folder / "m/model2.safetensors");
  EXPECT_NE(record_folder("model", folder / "m").sha256, hash);
}

TEST(RecordFile, NamesAMissingFile) {
  const test::TempFolder folder;
  EXPECT_THAT(error_of([&] { record_path("pairs", folder / "no"); }), HasSubstr("no: cannot open"));
  EXPECT_THAT(error_of([&] { record_folder("model", folder / "no"); }),
              HasSubstr("no: cannot list the folder"));
}

TEST(VerifyManifest, ListsEveryProblem) {
  const test::TempFolder folder;
  folder.write("in.jsonl", "in");
  folder.write("out.jsonl", "out");
  folder.write("model/config.json", "{}");
  Manifest m = sample();
  m.inputs = {record_path("data", folder / "in.jsonl"), record_path("model", folder / "model")};
  m.outputs = {record_path("pairs", folder / "out.jsonl")};
  m.outputs[0].path = "out.jsonl";  // relative to the manifest
  write_manifest(folder / "manifest.json", m);
  EXPECT_THAT(verify_manifest(folder / "manifest.json"), IsEmpty());

  folder.write("out.jsonl", "changed");
  folder.write("model/config.json", "{\"a\": 1}");
  fs::remove(folder / "in.jsonl");
  EXPECT_THAT(verify_manifest(folder / "manifest.json"),
              ElementsAre("input data (" + (folder / "in.jsonl").string() + "): missing",
                          HasSubstr("input model (" + (folder / "model").string() + "): sha256 "),
                          HasSubstr("output pairs (out.jsonl): sha256 " + m.outputs[0].sha256.substr(0, 12) +
                                    " expected, ")));
}

TEST(FirstChange, APathThatIsNotUtf8IsTheSameWhenReadBack) {
  const test::TempFolder folder;
  Manifest m = sample();
  m.options["out"] = options_json({{"out", "", {"caf\xe9"}, false, false, true}})["out"];
  write_manifest(folder / "state.json", m);
  EXPECT_EQ(first_change(read_manifest(folder / "state.json"), m), "");
}

struct Knobs {
  int64_t count = 3;
  double rate = 0.1;
  bool on = true;
  std::string name = "a\"b";
  std::vector<double> alpha{0.5, 1};
  std::vector<std::string> tags;
  std::optional<int64_t> limit;
};
template <class V>
void visit(V& v, Knobs& k) {
  v(k.count, "count", "");
  v(k.rate, "rate", "");
  v(k.on, "on", "");
  v(k.name, "name", "");
  v(k.alpha, "alpha", "");
  v(k.tags, "tags", "");
  v(k.limit, "limit", "");
}

TEST(OptionsJson, KeepsTheKindOfEachValue) {
  EXPECT_EQ(options_json_of(Knobs{}), json::parse(R"({"count": 3, "rate": 0.1, "on": true, "name": "a\"b",
                                                       "alpha": [0.5, 1], "tags": [], "limit": null})"));
}

}  // namespace
}  // namespace circuitdiff
