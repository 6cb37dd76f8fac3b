#include "keeper/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace nacre::keeper {
namespace {

class SpawnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto spawner = Spawner::Create(4, 256, 512);
    ASSERT_TRUE(spawner.ok()) << spawner.status();
    spawner_ = *std::move(spawner);
  }

  static ChildPlan Plan(std::vector<std::string> argv) {
    ChildPlan plan;
    plan.candidates = {argv[0]};
    plan.argv = std::move(argv);
    plan.env = {"PATH=/usr/bin:/bin"};
    plan.cwd = "/";
    return plan;
  }

  struct Outcome {
    std::string output;
    int status = 0;
    std::optional<ChildReport> failure;
  };

  // Runs a child as the keeper would, but waits.
  Outcome Run(ChildPlan plan) {
    Outcome outcome;
    int out[2];
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    const UniqueFd reader(out[0]), null(open("/dev/null", O_RDWR | O_CLOEXEC));
    UniqueFd writer(out[1]);
    auto child = spawner_->Start(std::move(plan), null.get(), writer.get(), writer.get());
    EXPECT_TRUE(child.ok()) << child.status();
    if (!child.ok()) return outcome;
    writer.reset();
    ChildReport report;
    while (read(child->report.get(), &report, sizeof(report)) == sizeof(report)) {
      if (report.step == ChildStep::kUnshared) {
        spawner_->Unstage(child->lane);
      } else {
        outcome.failure = report;
      }
    }
    spawner_->Release(child->lane);
    char buffer[4096];
    ssize_t got;
    while ((got = read(reader.get(), buffer, sizeof(buffer))) > 0)
      outcome.output.append(buffer, got);
    waitpid(child->pid, &outcome.status, 0);
    return outcome;
  }

  std::unique_ptr<Spawner> spawner_;
};

TEST_F(SpawnerTest, ACommandRunsAndItsStatusIsExact) {
  const Outcome outcome = Run(Plan({"/bin/sh", "-c", "echo out; echo err >&2; exit 7"}));
  EXPECT_EQ(outcome.output, "out\nerr\n");
  EXPECT_FALSE(outcome.failure.has_value());
  EXPECT_EQ(WEXITSTATUS(outcome.status), 7);
}

TEST_F(SpawnerTest, AChildHasStandardDescriptorsOnly) {
  std::vector<UniqueFd> many;
  for (int i = 0; i < 100; ++i) many.emplace_back(open("/dev/null", O_RDONLY));
  // 3 is ls's own look at the folder.
  EXPECT_EQ(Run(Plan({"/bin/ls", "/proc/self/fd"})).output, "0\n1\n2\n3\n");
}

TEST_F(SpawnerTest, AChildStartsWithDefaultSignalsItsOwnSessionAndTheUsualUmask) {
  struct Ignored {
    Ignored() { signal(SIGPIPE, SIG_IGN), signal(SIGUSR1, SIG_IGN); }
    ~Ignored() { signal(SIGPIPE, SIG_DFL), signal(SIGUSR1, SIG_DFL); }
  } ignored;
  spawner_ = *Spawner::Create(4, 256, 512);
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  const Outcome outcome =
      Run(Plan({"/bin/grep", "-E", "^(SigBlk|SigIgn|NSsid|Umask):", "/proc/self/status"}));
  sigprocmask(SIG_SETMASK, &before, nullptr);
  EXPECT_NE(outcome.output.find("Umask:\t0022"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("SigBlk:\t0000000000000000"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("SigIgn:\t0000000000000000"), std::string::npos) << outcome.output;
  EXPECT_EQ(Run(Plan({"/bin/sh", "-c", "test $$ = $(cut -d' ' -f6 /proc/$$/stat)"})).status, 0);
}

TEST_F(SpawnerTest, OpenFileBoundsAreThoseOfTheStart) {
  EXPECT_EQ(Run(Plan({"/bin/sh", "-c", "ulimit -Sn; ulimit -Hn"})).output, "256\n512\n");
}

TEST_F(SpawnerTest, EveryFailureNamesItsStepAndErrno) {
  const TempDir dir;
  const auto failure = [&](ChildPlan plan) {
    const Outcome outcome = Run(std::move(plan));
    return outcome.failure.value_or(ChildReport{ChildStep::kUnshared, 0});
  };
  EXPECT_EQ(failure(Plan({"/nonexistent"})).error, ENOENT);
  EXPECT_EQ(failure(Plan({"/nonexistent"})).step, ChildStep::kExec);
  EXPECT_EQ(failure(Plan({"/tmp"})).error, EACCES);
  ChildPlan plan = Plan({"/bin/true"});
  plan.cwd = "/nonexistent";
  EXPECT_EQ(failure(plan).step, ChildStep::kChdir);
  plan.cwd_optional = true;
  EXPECT_FALSE(Run(plan).failure.has_value());
  const std::string script = dir.path() + "/script";
  std::ofstream(script) << "#!/nonexistent/interpreter\n";
  std::filesystem::permissions(script, std::filesystem::perms::all);
  EXPECT_EQ(failure(Plan({script})).step, ChildStep::kInterpreter);
  std::ofstream(script) << "no binary, no #!";
  EXPECT_EQ(failure(Plan({script})).error, ENOEXEC);
}

TEST_F(SpawnerTest, LaterCandidatesAreTriedAsExecvpDoes) {
  ChildPlan plan = Plan({"true"});
  plan.candidates = {"/nonexistent/true", "/etc/passwd/true", "/tmp", "/bin/true"};
  EXPECT_FALSE(Run(plan).failure.has_value());
  plan.candidates = {"/tmp", "/nonexistent/true"};
  EXPECT_EQ(Run(plan).failure->error, EACCES);
  plan.candidates = {};
  EXPECT_EQ(Run(plan).failure->error, ENOENT);
}

TEST_F(SpawnerTest, ALaneServesAgainAfterAnyOutcome) {
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(spawner_->HasLane());
    const bool fails = i % 3 == 0;
    EXPECT_EQ(Run(Plan({fails ? "/nonexistent" : "/bin/true"})).failure.has_value(), fails);
  }
}

TEST_F(SpawnerTest, AnotherUserIsAnotherUserForGood) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  ChildPlan plan = Plan({"/bin/sh", "-c",
                         "id -u; id -g; id -G; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | "
                         "grep -vc 0000000000000000; (echo 0 > /proc/self/uid_map) 2>/dev/null; "
                         "setpriv --reuid 0 true 2>/dev/null || echo stays"});
  plan.credentials = Credentials{.uid = 65534, .gid = 65533, .groups = {65533, 1, 2}};
  const Outcome outcome = Run(std::move(plan));
  EXPECT_EQ(outcome.output, "65534\n65533\n65533 1 2\n0\nstays\n");
}

TEST_F(SpawnerTest, LimitsAndNicenessAreTheChilds) {
  ChildPlan plan = Plan({"/bin/sh", "-c", "ulimit -n; nice"});
  plan.limits = {{.resource = RLIMIT_NOFILE, .limit = {77, 77}}};
  plan.nice = 3;
  EXPECT_EQ(Run(std::move(plan)).output, "77\n3\n");
}

TEST_F(SpawnerTest, AnOpenFileIsRunWithoutItsPath) {
  ChildPlan plan = Plan({"renamed", "-c", "echo $0; ls /proc/self/fd"});
  const UniqueFd program(open("/bin/sh", O_RDONLY | O_CLOEXEC));
  plan.program = program.get();
  plan.candidates = {"/nonexistent"};
  EXPECT_EQ(Run(std::move(plan)).output, "renamed\n0\n1\n2\n3\n");
}

}  // namespace
}  // namespace nacre::keeper
