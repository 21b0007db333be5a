// Reading, writing whole or not at all, journals and their torn tails, locks, hashes.
#include "io/files.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using test::slurp;
using testing::HasSubstr;

size_t files_in(const fs::path& folder) {
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) count += entry.is_regular_file();
  return count;
}

TEST(MappedFile, ReadsBytesAsTheyAre) {
  const test::TempFolder folder;
  const std::string content("a\0b\xff\n", 5);
  EXPECT_EQ(read_file(folder.write("f", content)), content);
  EXPECT_EQ(MappedFile(folder.write("empty", "")).bytes().size(), 0u);
}

TEST(MappedFile, OutlivesItsName) {
  const test::TempFolder folder;
  const MappedFile file(folder.write("f", "content"));
  fs::remove(folder / "f");
  EXPECT_EQ(file.text(), "content");
}

TEST(MappedFile, ErrorsSayWhatWasFound) {
  const test::TempFolder folder;
  EXPECT_THAT(error_of([&] { read_file(folder / "no"); }),
              HasSubstr("no: cannot open: No such file or directory"));
  EXPECT_THAT(error_of([&] { read_file(folder.path()); }), HasSubstr(": a file expected, a folder found"));
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { read_file(folder / "pipe"); }),
              HasSubstr("pipe: a file expected, something else found"));
}

TEST(WriteFileAtomically, ReplacesAndLeavesNothingBeside) {
  const test::TempFolder folder;
  const auto path = folder / "deep/er/file";
  write_file_atomically(path, "one");
  write_file_atomically(path, "two");
  EXPECT_EQ(slurp(path), "two");
  EXPECT_EQ(files_in(path.parent_path()), 1u);
}

TEST(WriteFileAtomically, AFailedWriterLeavesTheOldFile) {
  const test::TempFolder folder;
  const auto path = folder.write("file", "old");
  EXPECT_EQ(error_of([&] {
              write_file_atomically(path, [](const auto& append) {
                append("half", 4);
                fail("stopped");
              });
            }),
            "stopped");
  EXPECT_EQ(slurp(path), "old");
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(WriteFileAtomically, ErrorsNameThePath) {
  const test::TempFolder folder;
  folder.write("file", "x");
  EXPECT_THAT(error_of([&] { write_file_atomically(folder / "file/below", "x"); }),
              HasSubstr("file: cannot make the folder"));
  fs::create_directory(folder / "folder");
  EXPECT_THAT(error_of([&] { write_file_atomically(folder / "folder", "x"); }),
              HasSubstr("folder: cannot write"));
  EXPECT_EQ(files_in(folder.path()), 1u);
}

TEST(WriteFileAtomically, AKilledWriterLeavesTheOldFile) {
  const test::TempFolder folder;
  const auto path = folder.write("file", "old");
  const pid_t child = ::fork();
  if (child == 0) {
    write_file_atomically(path, [](const auto& append) {
      append("new", 3);
      ::kill(::getpid(), SIGKILL);
    });
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(slurp(path), "old");
}

TEST(WriteFileAtomically, RemovesWhatDeadWritersLeftAndOnlyThat) {
  const test::TempFolder folder;
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  const fs::path left = folder.path() / fmt::format("f.json.tmp-{}", child);
  const fs::path alive = folder.path() / fmt::format("f.json.tmp-{}", ::getppid());
  const fs::path named_so = folder.path() / "f.json.tmp-notes";
  const fs::path of_another = folder.path() / fmt::format("g.json.tmp-{}", child);
  for (const fs::path& path : {left, alive, named_so, of_another}) write_file_atomically(path, "half");
  write_file_atomically(folder.path() / "f.json", "whole");
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(alive));
  EXPECT_TRUE(fs::exists(named_so));
  EXPECT_TRUE(fs::exists(of_another));
}

TEST(AppendFile, AppendsToWhatIsThere) {
  const test::TempFolder folder;
  const auto path = folder.write("j", "a\n");
  {
    AppendFile file(path);
    file.append("b\n");
    file.sync();
  }
  AppendFile(path).append("c\n");
  EXPECT_EQ(slurp(path), "a\nb\nc\n");
  EXPECT_THAT(error_of([&] { AppendFile bad(folder.path()); }), HasSubstr("cannot write: Is a directory"));
}

struct Tail {
  const char* name;
  const char* before;
  const char* after;
};
class RepairTornTail : public testing::TestWithParam<Tail> {};

TEST_P(RepairTornTail, CutsBehindTheLastNewline) {
  const test::TempFolder folder;
  const std::string before = GetParam().before;
  const std::string after = GetParam().after;
  const auto path = folder.write("j", before);
  EXPECT_EQ(repair_torn_tail(path), static_cast<int64_t>(before.size() - after.size()));
  EXPECT_EQ(slurp(path), after);
  EXPECT_EQ(repair_torn_tail(path), 0);
}

INSTANTIATE_TEST_SUITE_P(All, RepairTornTail,
                         testing::Values(Tail{"whole", "a\nb\n", "a\nb\n"}, Tail{"torn", "a\nb", "a\n"},
                                         Tail{"only_torn", "{\"id\"", ""}, Tail{"empty", "", ""},
                                         Tail{"newline", "\n", "\n"}),
                         test::kByName);

TEST(RepairTornTail, OfNoFileIsNothing) {
  const test::TempFolder folder;
  EXPECT_EQ(repair_torn_tail(folder / "no"), 0);
  EXPECT_FALSE(fs::exists(folder / "no"));
}

TEST(TruncateFile, NamesAMissingFile) {
  const test::TempFolder folder;
  EXPECT_THAT(error_of([&] { truncate_file(folder / "no", 0); }), HasSubstr("no: cannot cut: No such file"));
}

TEST(FileLock, ASecondHolderIsRefusedAndToldWhoHoldsIt) {
  const test::TempFolder folder;
  const auto path = folder / "run/lock";
  {
    const FileLock lock(path);
    EXPECT_EQ(error_of([&] { FileLock second(path); }),
              path.string() + ": another circuitdiff process (pid " + std::to_string(::getpid()) +
                  ") is working here; wait for it or stop it");
  }
  EXPECT_NO_THROW(FileLock{path});  // free again
}

TEST(FileLock, AKilledHolderLetsGo) {
  const test::TempFolder folder;
  const auto path = folder / "lock";
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const FileLock lock(path);
    if (::write(ready[1], "x", 1) != 1) ::_exit(1);
    ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  EXPECT_THAT(error_of([&] { FileLock second(path); }), HasSubstr("(pid " + std::to_string(child) + ")"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_NO_THROW(FileLock{path});
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(FileLock, ErrorsNameThePath) {
  const test::TempFolder folder;
  folder.write("file", "x");
  EXPECT_THAT(error_of([&] { FileLock lock(folder / "file/lock"); }),
              HasSubstr("file: cannot make the folder"));
}

// FIPS 180-2 appendix B and the empty message.
TEST(Sha256, KnownAnswers) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  const test::TempFolder folder;
  EXPECT_EQ(sha256_file(folder.write("f", "abc")), sha256_hex("abc"));
}

}  // namespace
}  // namespace circuitdiff
