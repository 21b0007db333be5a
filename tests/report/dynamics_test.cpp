#include "report/dynamics.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

json row(int64_t step, double reward) { return {{"step", step}, {"reward", reward}, {"reward_std", 1.0}}; }

json watched(int64_t step, double accuracy, double intensity, double kurtosis) {
  return {{"step", step},
          {"eval/accuracy", accuracy},
          {"circuit/act_intensity", intensity},
          {"circuit/dist_kurtosis", kurtosis},
          {"circuit/info_complexity", 0.5}};
}

json two_temperatures() {
  const auto run = [](double temperature, uint64_t seed, double gain) {
    json log = json::array({watched(0, 0.4, 1.0, 20)});
    for (int64_t step = 1; step <= 4; ++step) {
      json one = row(step, static_cast<double>(step * step));
      if (step % 2 == 0)
        one.update(watched(step, 0.4 + 0.1 * static_cast<double>(step), 1.0 + gain * (step == 2 ? 2.0 : 1.0),
                           20.0 + static_cast<double>(step)));
      log.push_back(one);
    }
    return json{{"temperature", temperature}, {"seed", seed}, {"log", log}};
  };
  return {{"name", "a <run>"},
          {"algorithm", "dapo"},
          {"model", "models/start"},
          {"steps", 4},
          {"smooth", 3},
          {"questions", 500},
          {"sequences", 32},
          {"t_cut", 8},
          {"temperatures", {0.6, 1.0}},
          {"windows", {{1, 4}, {3, 4}}},
          {"runs", {run(0.6, 1, 0.3), run(0.6, 2, 0.1), run(1.0, 1, 0.2), run(1.0, 2, -0.2)}}};
}

class DynamicsFileTest : public testing::Test {
 protected:
  DynamicsFileTest() {
    std::string pattern = (fs::temp_directory_path() / "circuitdiff-dynamics-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~DynamicsFileTest() override { fs::remove_all(folder_); }

  Dynamics read(const json& content) {
    std::ofstream(folder_ / "dynamics.json") << content.dump();
    return read_dynamics(folder_ / "dynamics.json");
  }
  std::string error_of(const json& content) {
    try {
      read(content);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  fs::path folder_;
};

TEST_F(DynamicsFileTest, MovingAveragesBeginWithWhatThereIs) {
  const Curve curve = smoothed_curve(read(two_temperatures()), 0, "reward");
  ASSERT_EQ(curve.size(), 4u);  // step 0 has no reward
  EXPECT_DOUBLE_EQ(curve[0].mean, 1);
  EXPECT_DOUBLE_EQ(curve[1].mean, (1 + 4) / 2.0);
  EXPECT_DOUBLE_EQ(curve[2].mean, (1 + 4 + 9) / 3.0);
  EXPECT_DOUBLE_EQ(curve[3].mean, (4 + 9 + 16) / 3.0);
  EXPECT_EQ(curve[3].n, 2);
}

TEST_F(DynamicsFileTest, ChangesAreFromEachRunsOwnStart) {
  json file = two_temperatures();
  file["runs"][1]["log"][0]["circuit/act_intensity"] = 0.5;  // seed 2 begins elsewhere
  const Curve curve = watched_curve(read(file), 0, "circuit/act_intensity", true);
  ASSERT_EQ(curve.size(), 3u);
  EXPECT_DOUBLE_EQ(curve[0].mean, 0);
  EXPECT_DOUBLE_EQ(curve[1].low, 0.6);   // 1 + 0.3 * 2 - 1
  EXPECT_DOUBLE_EQ(curve[1].high, 0.7);  // 1 + 0.1 * 2 - 0.5
  EXPECT_DOUBLE_EQ(curve[1].mean, 0.65);
}

TEST_F(DynamicsFileTest, ExtremaStayInTheWindowAndFollowTheExpectedDirection) {
  const Dynamics input = read(two_temperatures());
  const auto intensity = [&](size_t t) { return watched_curve(input, t, "circuit/act_intensity", true); };
  EXPECT_EQ(extremum(input, 0, intensity(0), Expected::up)->step, 2);
  EXPECT_EQ(extremum(input, 0, intensity(0), Expected::down)->step, 4);
  EXPECT_EQ(extremum(input, 1, intensity(1), Expected::up)->step, 4);  // 2 lies before the window
  EXPECT_FALSE(extremum(input, 0, intensity(0), Expected::nothing));
  json open = two_temperatures();
  open["windows"] = {nullptr, nullptr};
  EXPECT_FALSE(extremum(read(open), 0, intensity(0), Expected::up));
}

TEST_F(DynamicsFileTest, SentencesSayWhatTheSeedsSay) {
  std::string all;
  for (const std::string& sentence : dynamics_sentences(read(two_temperatures()))) all += sentence + "\n";
  EXPECT_NE(
      all.find(
          "At temperature 0.6, accuracy on 500 held-out questions went from 40.0 % to 80.0 % after 4 steps"),
      std::string::npos)
      << all;
  EXPECT_NE(all.find("(step 2, 2 seeds: +0.200 to +0.600; as in the paper)"), std::string::npos) << all;
  EXPECT_NE(all.find("the seeds do not agree in sign"), std::string::npos) << all;  // intensity at 1.0
  EXPECT_NE(all.find("the opposite of the paper"), std::string::npos) << all;       // kurtosis rises
  EXPECT_NE(all.find("2 of 2 seeds order activation intensity"), std::string::npos) << all;
}

TEST_F(DynamicsFileTest, TheTableHasARowAStepAndEmptyCellsWhereNothingWasTaken) {
  const std::string csv = dynamics_csv(read(two_temperatures()));
  EXPECT_EQ(csv.substr(0, csv.find('\n')),
            "temperature,seed,step,circuit/act_intensity,circuit/dist_kurtosis,circuit/info_complexity,"
            "eval/accuracy,reward,reward_std");
  EXPECT_NE(csv.find("\n0.6,1,0,1,20,0.5,0.4,,\n"), std::string::npos) << csv;
  EXPECT_NE(csv.find("\n0.6,1,1,,,,,1,1\n"), std::string::npos) << csv;
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 4 * 5);
}

TEST_F(DynamicsFileTest, ThePageCarriesItsChartsAndEscapesItsName) {
  const std::string page = build_dynamics_page(read(two_temperatures()));
  for (const char* part : {"<h1>a &lt;run&gt;</h1>", "data-chart=\"rewards\"", "data-chart=\"circuits\"",
                           "temperature 1.0", "steps 1 to 4 at temperature 0.6, 3 to 4 at temperature 1.0"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(page.find("<run>"), std::string::npos);
}

TEST_F(DynamicsFileTest, DamageIsNamed) {
  json file = two_temperatures();
  file.erase("steps");
  EXPECT_NE(error_of(file).find("dynamics.json: field \"steps\" is missing"), std::string::npos);
  file = two_temperatures();
  file["runs"][2]["seed"] = "two";
  EXPECT_NE(error_of(file).find("field \"runs[2].seed\": a whole number of 0 or more expected"),
            std::string::npos);
  file = two_temperatures();
  file["windows"] = {nullptr};
  EXPECT_NE(error_of(file).find("1 windows for 2 temperatures"), std::string::npos);
  file["windows"] = {{1, 2, 3}, nullptr};
  EXPECT_NE(error_of(file).find("field \"windows[0]\": [first, last] or null expected"), std::string::npos);
  file = two_temperatures();
  file["smooth"] = 0;
  EXPECT_NE(error_of(file).find("smooth"), std::string::npos);
  EXPECT_NE(error_of(json::array()).find("an object expected, an array found"), std::string::npos);
}

}  // namespace
}  // namespace circuitdiff
