// The verbs about files, against a node whose files are a directory.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/client/fake_files.h"
#include "tests/client/nacre_process.h"

namespace nacre::client {
namespace {

namespace fs = std::filesystem;

class NacreFiles : public testing::Test {
 protected:
  Outcome Run(std::vector<std::string> words) const {
    words.insert(words.begin(), {"-H", node_.target()});
    return RunNacre(words);
  }

  static void Put(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
  }

  static std::string Get(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  std::string Here(const std::string& name) const { return here_.path() + "/" + name; }
  std::string There(const std::string& name) const { return node_.directory() + "/" + name; }

  // Everything that a copy keeps.
  static std::string Describe(const std::string& root) {
    std::vector<std::string> lines;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      struct stat found {};
      EXPECT_EQ(lstat(entry.path().c_str(), &found), 0);
      const std::string time = S_ISLNK(found.st_mode) ? "" : std::to_string(found.st_mtim.tv_sec);
      lines.push_back(entry.path().string().substr(root.size()) + " " +
                      std::to_string(found.st_mode) + " " + time + " " +
                      (S_ISREG(found.st_mode) ? Get(entry.path()) : "") +
                      (S_ISLNK(found.st_mode) ? fs::read_symlink(entry.path()).string() : ""));
    }
    std::sort(lines.begin(), lines.end());
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }

  void MakeTree(const std::string& root) const {
    fs::create_directories(root + "/sub/empty");
    Put(root + "/plain", "plain");
    Put(root + "/empty", "");
    Put(root + "/-r", "dash");
    Put(root + "/odd\n\xFF", "odd");
    Put(root + "/sub/large", std::string(3 << 20, 'x'));
    fs::create_symlink("plain", root + "/link");
    fs::create_symlink("/nowhere", root + "/sub/dangling");
    for (int i = 0; i < 50; ++i) Put(root + "/sub/" + std::to_string(i), std::to_string(i));
    chmod((root + "/plain").c_str(), 0751);
    chmod((root + "/sub").c_str(), 0555);
    const timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    utimensat(AT_FDCWD, (root + "/sub").c_str(), times, 0);
    utimensat(AT_FDCWD, (root + "/plain").c_str(), times, 0);
  }

  // Waits until a transfer has stalled, or its caller was seen to have left.
  void Await(bool stalled) const {
    while (node_.faults.stalled != stalled) usleep(1000);
  }

  FakeFiles node_;
  TemporaryDirectory here_;
};

TEST_F(NacreFiles, CpCopiesATreeThereAndBack) {
  MakeTree(Here("tree"));
  Outcome outcome = Run({"cp", "-r", Here("tree"), ":"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(Describe(There("tree")), Describe(Here("tree")));
  outcome = Run({"cp", "-r", ":tree", Here("back")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(Describe(Here("back")), Describe(Here("tree")));
  chmod(There("tree/sub").c_str(), 0755);
  chmod(Here("tree/sub").c_str(), 0755);
  chmod(Here("back/sub").c_str(), 0755);
}

TEST_F(NacreFiles, CpCopiesIntoADirectoryOrToAName) {
  Put(Here("a"), "1");
  Put(Here("b"), "2");
  fs::create_directory(There("d"));
  EXPECT_EQ(Run({"cp", Here("a"), Here("b"), ":d"}).status, 0);
  EXPECT_EQ(Run({"cp", Here("a"), ":other"}).status, 0);
  EXPECT_EQ(Get(There("d/a")) + Get(There("d/b")) + Get(There("other")), "121");
  EXPECT_EQ(Run({"cp", Here("a"), Here("b"), ":other"}).status, 1);
  EXPECT_EQ(Run({"cp", Here("a"), ":none/"}).status, 1);
  EXPECT_EQ(Run({"cp", Here("d"), ":x"}).status, 1);
  EXPECT_EQ(Run({"cp", ":d", Here("x")}).err, "nacre: :d: is a directory; use -r\n");
  EXPECT_EQ(Run({"cp", ":d/a", ":d/b", here_.path()}).status, 0);
  EXPECT_EQ(Run({"cp", "-r", ":d/.", Here("copy")}).status, 0);
  EXPECT_EQ(Get(Here("copy/b")), "2");
}

TEST_F(NacreFiles, CpTakesStandardInputAndOutput) {
  Nacre nacre({"-H", node_.target(), "cp", "-", ":f"});
  EXPECT_EQ(write(nacre.in.writer(), "input", 5), 5);
  nacre.in.CloseWriter();
  EXPECT_EQ(nacre.Wait(), 0);
  EXPECT_EQ(Run({"cp", ":f", "-"}).out, "input");
  EXPECT_EQ(Run({"cat", ":f", ":f"}).out, "inputinput");
  EXPECT_EQ(Run({"cat", "--offset", "1", "--length", "2", ":f"}).out, "np");
}

TEST_F(NacreFiles, CpKeepsHoles) {
  Put(Here("s"), "abc");
  ASSERT_EQ(truncate(Here("s").c_str(), 64 << 20), 0);
  EXPECT_EQ(Run({"cp", "--checksum", Here("s"), ":s"}).status, 0);
  EXPECT_LT(node_.bytes_written, 1U << 20);
  EXPECT_EQ(Run({"cp", "--checksum", ":s", Here("t")}).status, 0);
  struct stat found {};
  ASSERT_EQ(stat(Here("t").c_str(), &found), 0);
  EXPECT_EQ(found.st_size, 64 << 20);
  EXPECT_LT(found.st_blocks, 2048);
  EXPECT_TRUE(Get(Here("t")) == Get(Here("s")));
}

// Permissions and time of a directory.
std::string Attributes(const std::string& path) {
  struct stat found {};
  EXPECT_EQ(lstat(path.c_str(), &found), 0);
  return std::to_string(found.st_mode & 07777) + " " + std::to_string(found.st_mtim.tv_sec);
}

void SetAttributes(const std::string& path, mode_t mode, time_t time) {
  const timespec times[2] = {{.tv_sec = time}, {.tv_sec = time}};
  EXPECT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  EXPECT_EQ(chmod(path.c_str(), mode), 0);
}

TEST_F(NacreFiles, CpLeavesDirectoriesAsTheyAreButThoseThatItMakes) {
  for (const std::string& root : {here_.path(), node_.directory()}) {
    fs::create_directories(root + "/src/there");
    fs::create_directories(root + "/dst/src/there");
    SetAttributes(root + "/src/there", 0755, 1000);
    SetAttributes(root + "/dst/src/there", 02700, 2000);
    SetAttributes(root + "/dst/src", 0755, 3000);
    fs::create_directory(root + "/src/made");
    SetAttributes(root + "/src/made", 0750, 4000);
    fs::create_directory(root + "/src/begun");
    SetAttributes(root + "/src/begun", 0755, 5000);
    fs::create_directory(root + "/dst/src/begun");
  }
  SetAttributes(Here("dst/src/begun"), 01700, 1);   // As an interrupted run leaves it,
  SetAttributes(There("dst/src/begun"), 01755, 1);  // here and there.
  for (const std::string option : {"--no-progress", "--resume"}) {
    EXPECT_EQ(Run({"cp", "-r", option, Here("src"), ":dst"}).status, 0);
    EXPECT_EQ(Run({"cp", "-r", option, ":src", Here("dst")}).status, 0);
    for (const std::string& root : {here_.path(), node_.directory()}) {
      EXPECT_EQ(Attributes(root + "/dst/src/there"), std::to_string(02700) + " 2000") << root;
      EXPECT_EQ(Attributes(root + "/dst/src/made"), std::to_string(0750) + " 4000") << root;
      EXPECT_EQ(Attributes(root + "/dst/src/begun"), std::to_string(0755) + " 5000") << root;
    }
  }
  EXPECT_EQ(Run({"cp", "-rp", Here("src"), ":dst"}).status, 0);
  EXPECT_EQ(Attributes(There("dst/src/there")), std::to_string(0755) + " 1000");
}

TEST_F(NacreFiles, CpCopiesNoDirectoryIntoItself) {
  fs::create_directories(There("d/e"));
  Put(There("d/f"), "x");
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"cp", "-r", There("d"), ":d/e"}, {"cp", "-r", ":d", There("d/e")}}) {
    const Outcome outcome = Run(words);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("into itself"), std::string::npos) << outcome.err;
    EXPECT_EQ(Get(There("d/e/d/f")), "x");
    EXPECT_FALSE(fs::exists(There("d/e/d/e/d")));
    fs::remove_all(There("d/e/d"));
  }
}

TEST_F(NacreFiles, CpSkipsSpecialFilesAndSaysSo) {
  fs::create_directory(Here("d"));
  ASSERT_EQ(mkfifo(Here("d/p").c_str(), 0600), 0);
  Put(Here("d/f"), "x");
  const Outcome outcome = Run({"cp", "-r", Here("d"), ":"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("special file"), std::string::npos) << outcome.err;
  EXPECT_EQ(Get(There("d/f")), "x");
  ASSERT_EQ(mkfifo(There("d/q").c_str(), 0600), 0);
  EXPECT_EQ(Run({"cp", "-r", ":d", Here("e")}).status, 1);
  EXPECT_EQ(Get(Here("e/f")), "x");
}

TEST_F(NacreFiles, CpLetsNoNodeWriteBesideTheTarget) {
  fs::create_directory(There("d"));
  Put(There("d/f"), "good");
  for (const char* name : {"../evil", "..", ".", "/tmp/nacre-evil", "a/b"}) {
    v1::File file;
    file.set_name(name);
    file.set_type(v1::FILE_TYPE_REGULAR);
    node_.invented.push_back(file);
  }
  const Outcome outcome = Run({"cp", "-r", ":d", Here("d")});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(Get(Here("d/f")), "good");
  EXPECT_EQ(std::distance(fs::directory_iterator(here_.path()), {}), 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(Here("d")), {}), 1);
  EXPECT_FALSE(fs::exists("/tmp/nacre-evil"));
}

TEST_F(NacreFiles, CpGoesOnAfterALossInBothDirections) {
  const std::string content(20 << 20, 'x');
  Put(Here("f"), content);
  node_.faults.lose_write_after = 10 << 20;
  EXPECT_EQ(Run({"cp", Here("f"), ":f"}).status, 0);
  EXPECT_TRUE(Get(There("f")) == content);
  EXPECT_EQ(node_.bytes_written, content.size());
  node_.faults.lose_read_after = 10 << 20;
  EXPECT_EQ(Run({"cp", ":f", Here("g")}).status, 0);
  EXPECT_TRUE(Get(Here("g")) == content);
  EXPECT_EQ(node_.read_calls, 2);
  EXPECT_EQ(std::distance(fs::directory_iterator(here_.path()), {}), 2);
}

TEST_F(NacreFiles, CpThatWasInterruptedSaysHowItGoesOnAndDoes) {
  const std::string content(20 << 20, 'x');
  Put(Here("f"), content);
  node_.faults.stall_write_after = 10 << 20;
  Nacre nacre({"-H", node_.target(), "cp", "-p", Here("f"), ":f"});
  Await(true);
  nacre.Signal(SIGINT);
  EXPECT_EQ(nacre.Wait(), 130);
  EXPECT_EQ(ReadAll(nacre.err.reader()), "nacre: interrupted; go on with nacre cp --resume -H " +
                                             node_.target() + " -p " + Here("f") + " :f\n");
  Await(false);
  EXPECT_EQ(Run({"cp", "--resume", "-p", Here("f"), ":f"}).status, 0);
  EXPECT_TRUE(Get(There("f")) == content);
  EXPECT_EQ(node_.bytes_written, content.size());
  // What is there already, by size and time, is not sent again.
  EXPECT_EQ(Run({"cp", "--resume", "-p", Here("f"), ":f"}).status, 0);
  EXPECT_EQ(node_.bytes_written, content.size());
}

TEST_F(NacreFiles, CpThatWasKilledGoesOnOnlyIfAsked) {
  const std::string content(20 << 20, 'x');
  Put(There("f"), content);
  for (const bool resume : {true, false}) {
    node_.faults.stall_read_after = 10 << 20;
    node_.bytes_read = 0;
    Nacre nacre({"-H", node_.target(), "cp", ":f", Here("f")});
    Await(true);
    nacre.Signal(SIGKILL);
    EXPECT_EQ(nacre.Wait(), -SIGKILL);
    Await(false);
    EXPECT_FALSE(fs::exists(Here("f")));
    EXPECT_EQ(std::distance(fs::directory_iterator(here_.path()), {}), 1);
    const uint64_t before = node_.bytes_read;
    EXPECT_EQ(Run({"cp", ":f", Here("f"), resume ? "--resume" : "-q"}).status, 0);
    EXPECT_EQ(node_.bytes_read - before < content.size(), resume);
    EXPECT_TRUE(Get(Here("f")) == content);
    EXPECT_EQ(std::distance(fs::directory_iterator(here_.path()), {}), 1);
    fs::remove(Here("f"));
  }
}

TEST_F(NacreFiles, CpKeepsWhatHasComeWhateverGoesWrong) {
  const std::string content(20 << 20, 'x');
  Put(There("f"), content);
  node_.faults.fail_read_at = 10 << 20;
  Outcome outcome = Run({"cp", "--checksum", "-j", "3", ":f", Here("f")});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("go on with nacre cp --resume -H " + node_.target() +
                             " --checksum -j 3 :f " + Here("f")),
            std::string::npos)
      << outcome.err;
  // Not even a file that can't be opened just now costs what is there.
  node_.faults.fail_read_at = 8 << 20;
  EXPECT_EQ(Run({"cp", "--resume", ":f", Here("f")}).status, 1);
  const uint64_t before = node_.bytes_read;
  outcome = Run({"cp", "-v", "--resume", ":f", Here("f")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_LT(node_.bytes_read - before, 11U << 20);
  EXPECT_NE(outcome.err.find(" were there already"), std::string::npos) << outcome.err;
  EXPECT_TRUE(Get(Here("f")) == content);
  EXPECT_EQ(std::distance(fs::directory_iterator(here_.path()), {}), 1);
  // One of another version is of no use.
  node_.faults.wrong_checksum = true;
  EXPECT_EQ(Run({"cp", ":f", Here("g")}).status, 1);
  EXPECT_EQ(std::distance(fs::directory_iterator(here_.path()), {}), 1);
}

TEST_F(NacreFiles, CpFollowsTheTargetThatItIsGiven) {
  Put(There("f"), "new");
  fs::create_directory(Here("d"));
  Put(Here("d/real"), "old");
  fs::create_symlink("d/real", Here("link"));
  EXPECT_EQ(Run({"cp", ":f", Here("link")}).status, 0);
  EXPECT_TRUE(fs::is_symlink(Here("link")));
  EXPECT_EQ(Get(Here("d/real")), "new");
  fs::create_symlink("nowhere", Here("dangling"));
  EXPECT_EQ(Run({"cp", ":f", Here("dangling")}).status, 1);
  EXPECT_TRUE(fs::is_symlink(Here("dangling")));
  EXPECT_EQ(Run({"cp", ":f", "/dev/stdout"}).out, "new");
  EXPECT_EQ(Run({"cp", ":f", "/dev/null"}).status, 0);
  EXPECT_EQ(Run({"cp", "-r", ":f", "/dev/null"}).status, 0);
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
  ASSERT_EQ(mkfifo(Here("p").c_str(), 0600), 0);
  Nacre nacre({"-H", node_.target(), "cp", ":f", Here("p")});
  EXPECT_EQ(Get(Here("p")), "new");
  EXPECT_EQ(nacre.Wait(), 0);
}

TEST_F(NacreFiles, CpObeysTheUmaskAsCpDoes) {
  Put(There("f"), "x");
  chmod(There("f").c_str(), 0666);
  const mode_t before = umask(027);
  EXPECT_EQ(Run({"cp", ":f", Here("f")}).status, 0);
  EXPECT_EQ(Run({"cp", "-p", ":f", Here("g")}).status, 0);
  umask(before);
  struct stat found {};
  ASSERT_EQ(stat(Here("f").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0640U);
  ASSERT_EQ(stat(Here("g").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0666U);
}

TEST_F(NacreFiles, CpWithChecksumLooksAtWhatIsThere) {
  for (const std::string& root : {here_.path(), node_.directory()}) {
    fs::create_directory(root + "/d");
    Put(root + "/d/same", "same");
    Put(root + "/d/other", root == here_.path() ? "here!" : "there");
    SetAttributes(root + "/d/same", 0644, 1000);
    SetAttributes(root + "/d/other", 0644, 1000);
  }
  EXPECT_EQ(Run({"cp", "-r", "--resume", ":d", here_.path()}).status, 0);
  EXPECT_EQ(Get(Here("d/other")), "here!");
  const Outcome outcome = Run({"cp", "-r", "--resume", "--checksum", ":d", here_.path()});
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 2) << outcome.out;
  EXPECT_EQ(Get(Here("d/other")), "there");
  Put(Here("d/other"), "again");
  SetAttributes(Here("d/other"), 0644, 1000);
  const int messages = node_.write_messages;
  EXPECT_EQ(Run({"cp", "-r", "--resume", "--checksum", Here("d"), ":"}).status, 0);
  EXPECT_EQ(Get(There("d/other")), "again");
  EXPECT_EQ(node_.write_messages - messages, 1);
}

TEST_F(NacreFiles, CpOverwritesNothingThatItHasJustCopied) {
  for (const std::string& root : {here_.path(), node_.directory()}) {
    fs::create_directories(root + "/a");
    fs::create_directories(root + "/b");
    fs::create_directories(root + "/d");
    Put(root + "/a/f", "a");
    Put(root + "/b/f", "b");
  }
  for (const auto& words : std::vector<std::vector<std::string>>{
           {"cp", Here("a/f"), Here("b/f"), ":d"}, {"cp", ":a/f", ":b/f", Here("d")}}) {
    const Outcome outcome = Run(words);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find("just copied"), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(Get(Here("d/f")) + Get(There("d/f")), "aa");
}

TEST_F(NacreFiles, CpStopsWhereADiskIsFull) {
  MakeTree(Here("tree"));
  node_.faults.no_space = true;
  const Outcome outcome = Run({"cp", "-r", Here("tree"), ":"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_NE(outcome.err.find("the disk is full"), std::string::npos) << outcome.err;
  chmod(Here("tree/sub").c_str(), 0755);
  chmod(There("tree/sub").c_str(), 0755);
}

TEST_F(NacreFiles, CpIsNotKeptBusyWithNothing) {
  fs::create_directory(There("d"));
  Put(There("d/f"), "x");
  node_.faults.empty_pages = 100;
  EXPECT_EQ(Run({"cp", "-r", ":d", Here("d")}).status, 0);
  EXPECT_EQ(Get(Here("d/f")), "x");
  node_.faults.empty_pages = 1 << 30;
  const Outcome outcome = Run({"cp", "-r", ":d", Here("e")});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("nothing without end"), std::string::npos) << outcome.err;
}

TEST_F(NacreFiles, CpOutlivesANodeThatRestarts) {
  const std::string content(20 << 20, 'x');
  fs::create_directory(There("d"));
  for (const char* name : {"a", "b", "c"}) Put(There("d/") + name, content);
  node_.faults.stall_read_after = 1 << 20;
  Nacre nacre({"-H", node_.target(), "cp", "-r", "-j", "1", ":d", Here("d")});
  Await(true);
  node_.Restart(absl::Seconds(2));
  EXPECT_EQ(nacre.Wait(), 0) << ReadAll(nacre.err.reader());
  EXPECT_EQ(Get(Here("d/a")).size() + Get(Here("d/b")).size() + Get(Here("d/c")).size(),
            3 * content.size());
}

TEST_F(NacreFiles, CpReportsWhatItCannotReadAndGoesOn) {
  fs::create_directory(Here("d"));
  Put(Here("d/f"), "x");
  fs::create_directory(There("d"));
  fs::create_directory(There("d/f"));
  Put(Here("d/g"), "y");
  const Outcome outcome = Run({"cp", "-r", Here("d"), ":"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err.rfind("nacre: :d/f: ", 0), 0U) << outcome.err;
  EXPECT_EQ(Get(There("d/g")), "y");
}

TEST_F(NacreFiles, CpWithoutANodeSaysSoOnce) {
  MakeTree(Here("tree"));
  const Outcome outcome = RunNacre({"-H", "unix:/nowhere", "cp", "-r", Here("tree"), ":"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err.rfind("nacre: cannot connect to unix:/nowhere: ", 0), 0U) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1);
  chmod(Here("tree/sub").c_str(), 0755);
}

TEST_F(NacreFiles, ANodeWithoutFilesSaysSo) {
  Put(Here("f"), "x");
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"ls"}, {"cp", Here("f"), ":f"}}) {
    const Outcome outcome = RunAgainst(Scripts{}, words);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.err, "nacre: the node has no files for us: its release is too old\n");
  }
}

TEST_F(NacreFiles, CpUsedWronglySaysHow) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"cp"},
                                             {"cp", "a"},
                                             {"cp", "a", "b"},
                                             {"cp", ":a", ":b"},
                                             {"cp", "a", ":b", ":c"},
                                             {"cp", "-r", "-", ":b"},
                                             {"cp", "--checksum", "-", ":b"},
                                             {"cp", "--checksum", ":b", "-"},
                                             {"cp", "-j", "0", "a", ":b"},
                                             {"ls", "/etc"},
                                             {"cat"},
                                             {"stat"},
                                             {"mkdir"},
                                             {"mkdir", "-m", "9", ":a"},
                                             {"mv", ":a"},
                                             {"mv", ":a", ":b", ":c"},
                                             {"watch"},
                                             {"rm", ":a", "session-1"},
                                             {"rm", "-r", "session-1"}}) {
    const Outcome outcome = Run(words);
    EXPECT_EQ(outcome.status, 2) << testing::PrintToString(words);
    EXPECT_EQ(outcome.err.rfind("nacre: ", 0), 0U) << outcome.err;
    EXPECT_NE(outcome.err.find("--help'"), std::string::npos) << outcome.err;
  }
}

TEST_F(NacreFiles, FilesMayBeCalledAnything) {
  for (const std::string name : {"rm", "++", "[a,b]", "-x"}) {
    Put(Here(name), name);
    EXPECT_EQ(Run({"cp", "--", Here(name), ":" + name}).status, 0) << name;
    EXPECT_EQ(Run({"cat", ":" + name}).out, name);
  }
  EXPECT_EQ(Run({"cat", ":rm", "--length", "1"}).out, "r");
}

TEST_F(NacreFiles, LsListsByName) {
  Put(There("b"), "x");
  Put(There("a\x1B"), "");
  Put(There(".hidden"), "");
  fs::create_symlink("b", There("l"));
  EXPECT_EQ(Run({"ls"}).out, "a\x1B\nb\nl\n");
  EXPECT_EQ(Run({"ls", "-a", ":."}).out, ".hidden\na\x1B\nb\nl\n");
  EXPECT_EQ(Run({"ls", ":b"}).out, "b\n");
  EXPECT_EQ(Run({"ls", "-d", ":"}).out, ".\n");
  EXPECT_NE(Run({"ls", "-l"}).out.find("l -> b\n"), std::string::npos);
  EXPECT_EQ(
      Run({"ls", "-o", "json", ":b"}).out.rfind(R"({"name":"b","type":"regular","size":1)", 0), 0U);
  const Outcome outcome = Run({"ls", ":none", ":b"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "nacre: :none: there is no such file\n");
  EXPECT_EQ(outcome.out, "b\n");
}

TEST_F(NacreFiles, StatMkdirMvAndRm) {
  EXPECT_EQ(Run({"mkdir", "-m", "700", ":d"}).status, 0);
  EXPECT_EQ(Run({"mkdir", ":d"}).status, 1);
  EXPECT_EQ(Run({"mkdir", "-p", ":e/f/g"}).status, 0);
  EXPECT_NE(Run({"stat", ":d"}).out.find("0700 drwx------"), std::string::npos);
  EXPECT_NE(Run({"stat", "-o", "json", ":d"}).out.find(R"("mode":448)"), std::string::npos);
  Put(There("f"), "x");
  EXPECT_EQ(Run({"mv", ":f", ":d"}).status, 0);
  EXPECT_EQ(Get(There("d/f")), "x");
  Put(There("h"), "y");
  EXPECT_EQ(Run({"mv", "-n", ":h", ":d/f"}).status, 1);
  EXPECT_EQ(Run({"rm", ":d"}).status, 1);
  EXPECT_EQ(Run({"rm", "-r", ":d", ":h"}).status, 0);
  EXPECT_FALSE(fs::exists(There("d")));
  EXPECT_EQ(Run({"rm", ":h"}).status, 1);
  EXPECT_EQ(Run({"rm", "-f", ":h"}).status, 0);
}

TEST_F(NacreFiles, WatchTellsALineForEachEvent) {
  const Outcome outcome = Run({"watch", "-o", "json", ":"});
  EXPECT_EQ(outcome.status, 1);  // What was watched is gone.
  EXPECT_NE(outcome.out.find(R"("kind":"watching"})"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find(R"("kind":"created","name":"new\n")"), std::string::npos);
}

}  // namespace
}  // namespace nacre::client
