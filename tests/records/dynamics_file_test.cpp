// dynamics.json: what is written is read back byte for byte, and each damage has its message.
#include "records/dynamics_file.h"

#include <gmock/gmock.h>

#include "io/json.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::slurp;
using testing::HasSubstr;

Dynamics small() {
  Dynamics d;
  d.name = "a \"run\"", d.algorithm = "dapo", d.model = "models/start";
  d.steps = 2, d.smooth = 3, d.questions = 500, d.sequences = 32, d.t_cut = 8;
  d.temperatures = {0.6, 1.0};
  d.windows = {std::pair<int64_t, int64_t>{1, 2}, std::nullopt};
  d.runs = {{0.6,
             1,
             {{0, {{"circuit/act_intensity", 1.0}, {"circuit/diversity", std::nullopt}}},
              {1, {{"reward", 0.25}, {"zzz", 1e-9}}}}},
            {1.0, uint64_t{1} << 63, {}}};
  return d;
}

TEST(DynamicsRecord, IsWrittenAgainWithTheSameBytes) {
  const test::TempFolder folder;
  write_dynamics(folder / "dynamics.json", small());
  const std::string text = slurp(folder / "dynamics.json");
  EXPECT_THAT(text, HasSubstr(R"("log":[{"circuit/act_intensity":1.0,"circuit/diversity":null,"step":0},)"));
  const Dynamics back = read_dynamics(folder / "dynamics.json");
  EXPECT_EQ(back.windows[0], (std::pair<int64_t, int64_t>{1, 2}));
  EXPECT_EQ(back.windows[1], std::nullopt);
  EXPECT_EQ(back.runs[0].log[1].figures.at("reward"), 0.25);
  EXPECT_FALSE(back.runs[0].log[1].figures.contains("step"));
  EXPECT_EQ(back.runs[1].seed, uint64_t{1} << 63);
  write_dynamics(folder / "again.json", back);
  EXPECT_EQ(slurp(folder / "again.json"), text);
}

TEST(DynamicsRecord, DamageIsNamed) {
  const test::TempFolder folder;
  write_dynamics(folder / "dynamics.json", small());
  const json good = json::parse(slurp(folder / "dynamics.json"));
  const auto error_with = [&](const char* pointer, const json& value) {
    json damaged = good;
    damaged[json::json_pointer(pointer)] = value;
    const auto path = folder.write("dynamics.json", damaged.dump());
    return error_of([&] { read_dynamics(path); });
  };
  EXPECT_THAT(error_with("/steps", nullptr),
              HasSubstr("dynamics.json: field \"steps\": a whole number expected, null found"));
  EXPECT_THAT(error_with("/windows/0", {1, 2.5}),
              HasSubstr("field \"windows[0]\": [first, last] or null expected, an array found"));
  EXPECT_THAT(error_with("/runs/0/log/1/reward", "x"),
              HasSubstr("field \"runs[0].log[1].reward\": a number or null expected, a string found"));
  EXPECT_THAT(error_with("/runs/0/log/1", json::object()),
              HasSubstr("field \"runs[0].log[1].step\" is missing"));
  EXPECT_THAT(error_with("/temperatures/1", "hot"),
              HasSubstr("field \"temperatures[1]\": a number expected, a string found"));
  EXPECT_THAT(error_with("/temperatures", {1.0}), HasSubstr("2 windows for 1 temperatures"));
  EXPECT_THAT(error_with("/smooth", 0), HasSubstr("field \"smooth\": at least 1 expected, 0 found"));
  const auto path = folder.write("dynamics.json", good.dump().substr(0, 100));
  EXPECT_THAT(error_of([&] { read_dynamics(path); }), HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace circuitdiff
