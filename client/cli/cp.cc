// nacre cp
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/copy/downloader.h"
#include "client/cli/copy/interrupt.h"
#include "client/cli/copy/job.h"
#include "client/cli/copy/uploader.h"
#include "client/cli/exit_status.h"
#include "client/cli/options.h"
#include "client/cli/remote_path.h"
#include "client/cli/report.h"
#include "client/cli/signal_forwarder.h"
#include "client/cli/verbs.h"

namespace nacre::cli {
namespace {

constexpr char kExamples[] = R"(
Copies files to the node or from it. Paths there are written :PATH, absolute or from the user's home,
which ":" is; "-" is our standard input or output. As cp: into DST if that is a directory.

Permissions are kept, here but for the umask without -r and -p; with these times are too, and with -p also set-user-ID, set-group-ID
and sticky bits. With -r symbolic links stay links; special files are skipped, and the exit status
is 1. A file takes its name in one step, whole. Every byte is proven by XXH3-128 on its way.

When the connection is lost the copy goes on by itself where it was, for a minute. A copy of a file
of 8 MiB or more that was interrupted, or killed, goes on with --resume; of what -r or -p have
copied already, as size and time tell, nothing is copied again then.

Examples:
  nacre cp notes.txt :
  nacre cp -r src :/tmp
  nacre cp -rp :/etc/nginx :/etc/hosts backup/
  nacre cp --resume :/var/backups/db.tar .
  make -s report | nacre cp - :report.txt

Exit status: 0, 1 if something was not copied or changed meanwhile, 2 if the usage was wrong, 128+N
after signal N.)";

constexpr uint64_t kMostCalls = 64;
constexpr char kNoChecksum[] = "--checksum reads again what was written, which \"-\" can't be";

// What the words of the command line name, all sources on one side.
struct Plan {
  bool upload = false;
  std::vector<std::string> sources;
  std::string target;
};

absl::StatusOr<Plan> MakePlan(const std::vector<std::string>& words, bool recursive,
                              bool checksum) {
  if (words.size() < 2) return absl::InvalidArgumentError("a source or a destination is missing");
  Plan plan{.upload = IsRemote(words.back())};
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const bool remote = IsRemote(words[i]);
    if (remote && plan.upload) {
      return absl::InvalidArgumentError(
          "both sides are on the node: use nacre mv there, or nacre exec cp");
    }
    if (!remote && !plan.upload) {
      return absl::InvalidArgumentError("no side is on the node: paths there are written :PATH");
    }
    if (words[i] == "-" && checksum) return absl::InvalidArgumentError(kNoChecksum);
    if (words[i] == "-" && (words.size() > 2 || recursive)) {
      return absl::InvalidArgumentError("\"-\" is one file: neither others nor -r go with it");
    }
    plan.sources.push_back(remote ? RemotePath(words[i]) : words[i]);
  }
  plan.target = plan.upload ? RemotePath(words.back()) : words.back();
  if (plan.target == "-" && !plan.upload && checksum) {
    return absl::InvalidArgumentError(kNoChecksum);
  }
  if (plan.target == "-" && !plan.upload && (words.size() > 2 || recursive)) {
    return absl::InvalidArgumentError("\"-\" is one file: neither others nor -r go with it");
  }
  return plan;
}

// A directory of ours stays open for each level of a tree.
void RaiseOpenFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

// What the thread that takes signals shares with the copy, and keeps alive.
struct CopyRun {
  CopyRun(std::unique_ptr<client::Client> to_use, const std::string& run_as,
          const CopyOptions& options, bool shows_progress)
      : client(std::move(to_use)),
        progress(shows_progress),
        job(*client, {.run_as = run_as}, options, progress) {}

  const std::unique_ptr<client::Client> client;
  Progress progress;
  Job job;
  std::atomic<int> signal = 0;
};

class Cp : public Verb {
 public:
  CLI::App* AddTo(CLI::App& app, CommonArguments* common) override {
    CLI::App* cp = app.add_subcommand("cp", "Copy files to and from the node");
    ShowPathsInUsage(cp, "SRC... DST");
    cp->footer(kExamples);
    AddHost(cp, common);
    AddRunAs(cp, &run_as_);
    cp->add_flag("-r,-R,--recursive", options_.recursive, "Directories too, with all in them");
    cp->add_flag("-p,--preserve", options_.preserve, "Keep times and all mode bits");
    cp->add_flag("--resume", options_.resume, "Go on with what an earlier run has left");
    cp->add_flag("--checksum", options_.checksum,
                 "Afterwards read what was written and compare; print XXH3-128 and name of each");
    cp->add_flag("--sync", options_.sync,
                 "Each file is on the node's disk before it takes its name");
    AddCount(cp, "-j,--jobs", &calls_, "N", "Files at once, 1 to 64; default: 16");
    cp->add_flag("--no-progress", no_progress_, "Show no progress");
    cp->add_flag("-q,--quiet", quiet_, "Neither progress nor summary");
    AddVerbosity(cp, common, "Print the summary in any case");
    return cp;
  }

  bool TakesPaths() const override { return true; }

  int Run(const CommonArguments& common, const std::vector<std::string>& words) override {
    const auto plan = MakePlan(words, options_.recursive, options_.checksum);
    if (!plan.ok()) return ReportUsage("cp", plan.status());
    if (calls_.has_value() && (*calls_ < 1 || *calls_ > kMostCalls)) {
      return ReportUsage("cp", "-j is 1 to 64");
    }
    options_.calls = static_cast<int>(calls_.value_or(static_cast<uint64_t>(options_.calls)));
    options_.umask = ::umask(0);
    (void)::umask(options_.umask);
    const sigset_t held = HoldSignals();
    RaiseOpenFiles();
    auto client = client::Client::Connect({.target = common.host});
    if (!client.ok()) {
      Report(client.status());
      return kExitFailure;
    }
    const bool on_terminal = ::isatty(STDERR_FILENO) != 0;
    const auto run = std::make_shared<CopyRun>(*std::move(client), run_as_, options_,
                                               on_terminal && !quiet_ && !no_progress_);
    StopOnInterrupt(held, *plan, common, run);
    Copy(*plan, run->job);
    run->progress.Hide();
    if (run->signal != 0) {
      SayInterrupted(*plan, common, run->job);
      ::_exit(ExitOfSignal(run->signal));
    }
    if (run->job.can_go_on()) SayHowToGoOn("the copy broke off", *plan, common);
    if ((on_terminal && !quiet_) || common.verbosity > 0) {
      Report(FormatSummary(run->progress.state()));
    }
    return run->job.failed() ? kExitFailure : 0;
  }

 private:
  static void Copy(const Plan& plan, Job& job) {
    if (plan.sources.front() == "-" && plan.upload) {
      Uploader(job).CopyInput(plan.target);
    } else if (plan.target == "-" && !plan.upload) {
      Downloader(job).CopyOutput(plan.sources.front());
    } else if (plan.upload) {
      Uploader(job).Copy(plan.sources, plan.target);
    } else {
      Downloader(job).Copy(plan.sources, plan.target);
    }
  }

  void StopOnInterrupt(const sigset_t& held, const Plan& plan, const CommonArguments& common,
                       const std::shared_ptr<CopyRun>& run) const {
    OnInterrupt(
        held,
        [run](int number) {
          run->signal = number;
          run->job.Stop();
        },
        [this, plan, common, run](int number) {
          run->progress.Hide();
          SayInterrupted(plan, common, run->job);
          ::_exit(ExitOfSignal(number));
        });
  }

  void SayInterrupted(const Plan& plan, const CommonArguments& common, const Job& job) const {
    if (job.can_go_on()) {
      SayHowToGoOn("interrupted", plan, common);
    } else {
      Report(std::string_view("interrupted"));
    }
  }

  void SayHowToGoOn(const std::string& what, const Plan& plan,
                    const CommonArguments& common) const {
    std::string line = absl::StrCat(what, "; go on with nacre cp --resume");
    if (!common.host.empty()) absl::StrAppend(&line, " -H ", Quoted(common.host));
    if (!run_as_.empty()) absl::StrAppend(&line, " -u ", Quoted(run_as_));
    if (options_.recursive) line.append(" -r");
    if (options_.preserve) line.append(" -p");
    if (options_.checksum) line.append(" --checksum");
    if (options_.sync) line.append(" --sync");
    if (calls_.has_value()) absl::StrAppend(&line, " -j ", *calls_);
    std::vector<std::string> words;
    for (const std::string& source : plan.sources) {
      words.push_back(plan.upload ? source : ":" + source);
    }
    words.push_back(plan.upload ? ":" + plan.target : plan.target);
    for (const std::string& word : words) {
      if (!word.starts_with('-')) continue;
      line.append(" --");
      break;
    }
    for (const std::string& word : words) absl::StrAppend(&line, " ", Quoted(word));
    Report(line);
  }

  CopyOptions options_;
  std::optional<uint64_t> calls_;
  std::string run_as_;
  bool no_progress_ = false;
  bool quiet_ = false;
};

}  // namespace

std::unique_ptr<Verb> MakeCp() { return std::make_unique<Cp>(); }

}  // namespace nacre::cli
