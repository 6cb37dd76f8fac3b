#include "tests/fuzz/keeper_world.h"

#include <fcntl.h>
#include <google/protobuf/stubs/logging.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bitset>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/ring_layout.h"
#include "base/seqpacket.h"
#include "keeper/keeper.h"
#include "tests/fuzz/fake_machine.h"
#include "tests/fuzz/front_view.h"
#include "tests/fuzz/script.h"
#include "tests/support/temp_dir.h"

namespace nacre::keeper {

// Goes turn by turn, and looks inside.
class KeeperPeer {
 public:
  explicit KeeperPeer(std::unique_ptr<Keeper> keeper) : keeper_(std::move(keeper)) {}

  absl::Status Start() { return keeper_->Start(); }
  bool Turn() { return keeper_->Turn(/*wait=*/false); }
  bool Done() const { return keeper_->Done(); }
  bool busy() const { return !keeper_->runnable_.empty(); }
  bool draining() const { return keeper_->draining_; }
  bool Serves(const Front* front) const {
    return front != nullptr && front == keeper_->front_.get();
  }
  bool Succeeds(const Front* front) const {
    return front != nullptr && front == keeper_->successor_.get();
  }
  const Arena& arena() const { return *keeper_->arena_; }
  const Archive& archive() const { return *keeper_->archive_; }

  // Null: it is gone.
  Front* FindFront(int pid) const {
    for (Front* front : keeper_->Fronts()) {
      if (front->pid() == pid) return front;
    }
    return nullptr;
  }
  const Session* FindSession(uint64_t number) const {
    const auto it = keeper_->sessions_.find(number);
    return it != keeper_->sessions_.end() ? it->second.get() : nullptr;
  }
  std::vector<const Session*> Sessions() const {
    std::vector<const Session*> sessions;
    for (const auto& [number, session] : keeper_->sessions_) sessions.push_back(session.get());
    return sessions;
  }

  // What holds between turns.
  void Check();

 private:
  void CheckFronts() const;
  void CheckSessions() const;

  std::unique_ptr<Keeper> keeper_;
  uint64_t next_session_ = 1;
};

void KeeperPeer::Check() {
  Demand(keeper_->next_session_ >= next_session_, "session numbers only grow");
  next_session_ = keeper_->next_session_;
  CheckFronts();
  CheckSessions();
}

void KeeperPeer::CheckFronts() const {
  const Keeper& keeper = *keeper_;
  if (keeper.draining_) return;
  Demand(keeper.front_ != nullptr || keeper.successor_ != nullptr || keeper.restart_at_ != 0,
         "there is a front, or one will be started");
  Demand(!keeper.retiring_ || keeper.front_ != nullptr, "somebody was told to retire");
}

void KeeperPeer::CheckSessions() const {
  const Keeper& keeper = *keeper_;
  const std::vector<Front*> fronts = keeper.Fronts();
  const bool handed_over = keeper.front_ != nullptr && keeper.front_->prepared;
  size_t running = 0;
  std::set<uint32_t> slots;
  for (const auto& [number, session] : keeper.sessions_) {
    const OutputLog& log = session->log();
    const SlotHeader& header = keeper.arena_->header(session->slot());
    Demand(number == session->number() && number < next_session_, "a number was given out");
    Demand(slots.insert(session->slot()).second, "a slot is one session's");
    Demand(log.released() <= log.total(), "no more is released than there is");
    Demand(log.kept() <= log.released(), "what is not released is kept");
    Demand(header.total == log.total() && header.kept == log.kept(), "the slot says what is");
    Demand(header.consumed <= session->Describe().input_produced(), "no input comes from nowhere");
    Demand(!keeper.archive_->Has(number), "a session is archived, or has its slot");
    Demand(session->state() != Session::State::kFailed, "what has failed is forgotten");
    const bool owned = std::find(fronts.begin(), fronts.end(), session->front) != fronts.end();
    Demand(owned || session->front == nullptr, "no session is the business of one who is gone");
    Demand(owned || !handed_over, "each session is somebody's business");
    Demand(!session->kept || !owned || keeper.retiring_ || session->front != keeper.front_.get(),
           "only who retires keeps sessions");
    if (!session->over()) ++running;
  }
  Demand(running == keeper.running_, "sessions are counted right");
  for (const Session* session : keeper.queued_) {
    Demand(session->state() == Session::State::kQueued, "who waits for a lane was not started");
  }
}

namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kSecond = 1000 * kMs;
constexpr uint32_t kSlots = 8;
constexpr int kLanes = 2;

// Who has a descriptor.
using Descriptors = std::bitset<256>;

Descriptors OpenDescriptors() {
  pollfd fds[Descriptors().size()];
  for (int fd = 0; fd < static_cast<int>(std::size(fds)); ++fd) fds[fd] = {.fd = fd, .events = 0};
  poll(fds, std::size(fds), 0);
  Descriptors open;
  for (size_t fd = 0; fd < open.size(); ++fd) open[fd] = (fds[fd].revents & POLLNVAL) == 0;
  return open;
}

UniqueFd Memory(const std::string& bytes, int seals) {
  UniqueFd fd(memfd_create("script", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  (void)!write(fd.get(), bytes.data(), bytes.size());
  if (seals != 0) fcntl(fd.get(), F_ADD_SEALS, seals);
  return fd;
}

constexpr int kWriteSeals = F_SEAL_WRITE, kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;

// A descriptor to send: one that holds a record as it should, or one of many that do not.
UniqueFd MakeDescriptor(int kind, const std::string& record) {
  int ends[2];
  switch (kind % 8) {
    case 0:
      return Memory(record, kSizeSeals | kWriteSeals);
    case 1:
      return Memory(record, 0);
    case 2:
      return Memory(record, kSizeSeals);
    case 3: {
      Demand(pipe2(ends, O_CLOEXEC) == 0, "there is a free descriptor");
      const UniqueFd other(ends[1]);
      return UniqueFd(ends[0]);
    }
    case 4:
      return std::move(seqpacket::Pair()->first);
    case 5:
      return UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC));
    case 6:
      return UniqueFd(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    default:
      return Memory("", kSizeSeals | kWriteSeals);
  }
}

// What `how` of an Act::kSay asks for: 0 to 3 descriptors from a kind on, or more than the channel
// allows.
std::vector<UniqueFd> MakeDescriptors(int how, const std::string& record) {
  std::vector<UniqueFd> fds;
  const int count = how == 0xff ? static_cast<int>(seqpacket::kMaxFds) + 1 : how % 4;
  for (int i = 0; i < count; ++i) {
    fds.push_back(MakeDescriptor(how == 0xff ? 5 : how / 4 + i, record));
  }
  return fds;
}

// The first spawn's record, taken out of the message, to be sent in a file; else the message
// itself.
std::string TakeRecord(v1::FrontMessage* message) {
  if (message->requests_size() == 0 || !message->requests(0).spawn().has_record()) {
    return message->SerializeAsString();
  }
  v1::Spawn* spawn = message->mutable_requests(0)->mutable_spawn();
  std::string record = spawn->record().SerializeAsString();
  spawn->clear_record();
  return record;
}

KeeperOptions MakeOptions(const std::string& directory, FakeMachine* machine, const bool* broken) {
  KeeperOptions options;
  options.state_dir = directory;
  options.drain_timeout_ns = 10 * kSecond;
  options.cgroup = "off";
  options.serving.front.path = "/proc/self/exe";
  options.serving.users = *Users::Load(geteuid() == 0 ? std::vector<std::string>{"root", "daemon"}
                                                      : std::vector<std::string>{});
  options.reload = [broken, serving = options.serving]() -> absl::StatusOr<ServingOptions> {
    if (*broken) return absl::InvalidArgumentError("a broken configuration");
    return serving;
  };
  options.max_sessions = kSlots;
  options.make_launcher = [machine](int lanes, uint64_t /*soft*/, uint64_t /*hard*/) {
    return machine->MakeLauncher(std::min(lanes, kLanes));
  };
  return options;
}

class World {
 public:
  explicit World(const std::string& directory);

  void Perform(const Act& act);
  // A well-behaved front finds everything in order.
  void Succeed();
  // The keeper stops, whatever there was.
  void Stop();
  Played Sum() const;

 private:
  FakeProcess* Choose(bool front, uint8_t who) const;
  FrontView& ViewOf(const FakeProcess& front);

  void Say(FakeProcess* front, std::string datagram, int how);
  void Send(FakeProcess* front, const std::string& datagram, const std::vector<UniqueFd>& fds);
  void Tell(FakeProcess* front, const std::vector<v1::FrontRequest>& requests);
  void Hear(FakeProcess* front);
  void Write(FakeProcess* command, int how);
  void GoOn(FakeProcess* command, int how);
  void ExitAs(FakeProcess* command, int how);
  void Signal(int number);
  void Pass(int64_t ns);
  void Settle();
  void OnSignal(const FakeProcess& process);
  std::map<uint64_t, std::string> OthersSessions(const Front* front) const;
  FakeProcess* AwaitFront();
  void RunOneCommand(FakeProcess* front);

  FakeMachine machine_;
  bool broken_configuration_ = false;
  std::unique_ptr<KeeperPeer> keeper_;
  std::map<int, FrontView> views_;
  // More has happened than the keeper has seen.
  bool unsettled_ = false;
  // Whose request is being handled.
  const Front* speaker_ = nullptr;
  size_t archived_ = 0;
};

World::World(const std::string& directory) {
  machine_.on_signal = [this](const FakeProcess& process, int) { OnSignal(process); };
  // It takes signals by a descriptor, and blocks them for that: here only while it is to have one.
  sigset_t before;
  sigprocmask(SIG_SETMASK, nullptr, &before);
  auto keeper = Keeper::Create(MakeOptions(directory, &machine_, &broken_configuration_));
  sigprocmask(SIG_SETMASK, &before, nullptr);
  Demand(keeper.ok(), "a keeper can be made");
  keeper_ = std::make_unique<KeeperPeer>(*std::move(keeper));
  Demand(keeper_->Start().ok(), "a front can be started");
  Settle();
}

void World::Perform(const Act& act) {
  unsettled_ = unsettled_ || act.at_once;
  FakeProcess* front = Choose(/*front=*/true, act.who);
  FakeProcess* command = Choose(/*front=*/false, act.who);
  if (act.kind <= Act::kLeave && front == nullptr) return;
  if (act.kind > Act::kLeave && act.kind <= Act::kExit && command == nullptr) return;
  switch (act.kind) {
    case Act::kSay:
      Say(front, act.datagram, act.how);
      break;
    case Act::kHear:
      Hear(front);
      break;
    case Act::kLeave:
      if (act.how % 2 == 0) {
        FakeMachine::Exit(front, act.how << 8);
      } else {
        front->ends[0].reset();
      }
      break;
    case Act::kWrite:
      Write(command, act.how);
      break;
    case Act::kRead: {
      char buffer[4096];
      fcntl(command->ends[0].get(), F_SETFL, O_NONBLOCK);
      while (read(command->ends[0].get(), buffer, sizeof(buffer)) > 0) continue;
      if (act.how % 2 == 1) command->ends[0].reset();
      break;
    }
    case Act::kReport:
      GoOn(command, act.how);
      break;
    case Act::kExit:
      ExitAs(command, act.how);
      break;
    case Act::kWait:
      Pass(kMs << act.how % 18);
      break;
    case Act::kSystem:
      if (act.how % 4 == 3) machine_.exhausted = !machine_.exhausted;
      broken_configuration_ = act.how % 4 == 1;
      if (act.how % 4 < 3) Signal(act.how % 4 == 2 ? SIGTERM : SIGHUP);
      break;
    case Act::kKinds:
      break;
  }
  if (!act.at_once) Settle();
}

// One of those that live. What a command has left open counts as alive too.
FakeProcess* World::Choose(bool front, uint8_t who) const {
  std::vector<FakeProcess*> some;
  for (const auto& process : machine_.processes()) {
    if (process->is_front() != front) continue;
    if (process->alive || process->ends[1].valid()) some.push_back(process.get());
  }
  return some.empty() ? nullptr : some[who % some.size()];
}

FrontView& World::ViewOf(const FakeProcess& front) {
  const auto find = [this](uint64_t session) {
    const FakeProcess* found = nullptr;
    for (const auto& process : machine_.processes()) {
      if (process->session == session) found = process.get();
    }
    return found;
  };
  return views_.try_emplace(front.pid, find).first->second;
}

// --- fronts -------------------------------------------------------------------------------------

void World::Say(FakeProcess* front, std::string datagram, int how) {
  v1::FrontMessage message;
  const bool parsed = message.ParseFromString(datagram);
  std::string record;
  if (how % 4 != 0 && parsed) {
    record = TakeRecord(&message);
    datagram = message.SerializeAsString();
  }
  if (parsed) ViewOf(*front).Said(message);
  Send(front, datagram, MakeDescriptors(how, record));
}

// One datagram in one turn, in which nothing else happens: what it does to others is its own doing.
void World::Send(FakeProcess* front, const std::string& datagram,
                 const std::vector<UniqueFd>& fds) {
  if (!front->ends[0].valid()) return;
  iovec data{const_cast<char*>(datagram.data()), datagram.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  std::string control(CMSG_SPACE(fds.size() * sizeof(int)), '\0');
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    for (size_t i = 0; i < fds.size(); ++i) {
      const int fd = fds[i].get();
      memcpy(CMSG_DATA(header) + i * sizeof(fd), &fd, sizeof(fd));
    }
  }
  // Not seqpacket::Send, which would not send too much.
  if (sendmsg(front->ends[0].get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return;
  if (unsettled_) return;
  speaker_ = keeper_->FindFront(front->pid);
  const auto before = OthersSessions(speaker_);
  const size_t archived = keeper_->archive().size();
  const bool served = keeper_->Serves(speaker_);
  keeper_->Turn();
  const Front* after = keeper_->FindFront(front->pid);
  Demand(after == nullptr || after->version() != 0 || !after->prepared,
         "nothing else is heard from a front whose hello was refused");
  Demand(
      after == nullptr || keeper_->Serves(after) || served || keeper_->archive().size() == archived,
      "who does not serve leaves alone what is archived");
  if (!keeper_->draining()) {
    for (const auto& [number, description] : before) {
      const Session* session = keeper_->FindSession(number);
      Demand(session != nullptr && session->Describe().SerializeAsString() == description,
             "another front's session is as it was");
    }
  }
  speaker_ = nullptr;
}

void World::Tell(FakeProcess* front, const std::vector<v1::FrontRequest>& requests) {
  v1::FrontMessage message;
  for (const v1::FrontRequest& request : requests) *message.add_requests() = request;
  Say(front, message.SerializeAsString(), 0);
  Settle();
}

void World::Hear(FakeProcess* front) {
  if (!front->ends[0].valid()) return;
  bool any = false;
  for (;; any = true) {
    auto datagram = seqpacket::Receive(front->ends[0].get());
    if (!datagram.ok()) {
      Demand(absl::IsOutOfRange(datagram.status()), "the keeper keeps to the channel's bounds");
      return;
    }
    if (!datagram->has_value()) break;
    ViewOf(*front).Heard(**datagram);
  }
  if (unsettled_ || keeper_->draining() || !keeper_->Serves(keeper_->FindFront(front->pid))) return;
  const FrontView& view = ViewOf(*front);
  for (const uint64_t number : view.Sessions()) {
    const bool there = keeper_->FindSession(number) != nullptr || keeper_->archive().Has(number);
    Demand(there || !view.Holds(number), "a session stays until its front lets go of it");
  }
  if (any || !view.has_all()) return;
  v1::Adopted archived;
  for (uint64_t number = 0; keeper_->archive().DescribeNext(&number, &archived);) {
    Demand(view.Knows(number), "who serves knows of all that is archived");
  }
}

std::map<uint64_t, std::string> World::OthersSessions(const Front* front) const {
  std::map<uint64_t, std::string> others;
  for (const Session* session : keeper_->Sessions()) {
    // What is nobody's may become its own, and then be forgotten, in one datagram.
    if (session->front == nullptr || session->front == front) continue;
    others[session->number()] = session->Describe().SerializeAsString();
  }
  return others;
}

void World::OnSignal(const FakeProcess& process) {
  if (speaker_ == nullptr || keeper_->draining()) return;
  if (!process.is_front()) {
    const Session* session = keeper_->FindSession(process.session);
    Demand(session != nullptr && session->front == speaker_,
           "no request of a front reaches another front's commands");
    return;
  }
  const Front* front = keeper_->FindFront(process.pid);
  Demand(front == speaker_ || (keeper_->Succeeds(speaker_) && front->version() == 1),
         "no request of a front ends another one, but one that cannot retire");
}

// --- commands -----------------------------------------------------------------------------------

void World::Write(FakeProcess* command, int how) {
  // Standard error may be the pipe of standard output.
  struct stat out, err;
  const bool merged = fstat(command->ends[1].get(), &out) == 0 &&
                      fstat(command->ends[2].get(), &err) == 0 && out.st_ino == err.st_ino;
  const size_t stream = merged ? 0 : how % 2;
  const UniqueFd& end = command->ends[1 + how % 2];
  if (!end.valid()) return;
  fcntl(end.get(), F_SETFL, O_NONBLOCK);
  std::string bytes(size_t{1} << how / 2 % 18, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = OutputByte(command->session, command->written[stream] + i);
  }
  const ssize_t written = write(end.get(), bytes.data(), bytes.size());
  if (written > 0) command->written[stream] += static_cast<uint64_t>(written);
}

void World::GoOn(FakeProcess* command, int how) {
  constexpr ChildStep kFailures[] = {ChildStep::kSetup, ChildStep::kChdir, ChildStep::kExec,
                                     ChildStep::kInterpreter, ChildStep::kCredentials};
  if (!command->report.valid()) return;
  if (how % 8 != 1) FakeMachine::Report(command, {ChildStep::kUnshared, 0});
  if (how % 8 == 1 || how % 8 == 2) FakeMachine::RunProgram(command);
  if (how % 8 < 3) return;
  FakeMachine::Report(command, {kFailures[how % 8 - 3], how});
  FakeMachine::Exit(command, 127 << 8);
}

void World::ExitAs(FakeProcess* command, int how) {
  if (!command->alive) command->ends = {};
  if (how < 128) {
    FakeMachine::Exit(command, how << 8);
  } else if (how < 192) {
    FakeMachine::Exit(command, how % 64 + 1);
  } else {
    FakeMachine::Exit(command, 0, /*held_open=*/true);
  }
}

// --- time and the system ------------------------------------------------------------------------

void World::Signal(int number) {
  sigset_t one, before;
  sigemptyset(&one);
  sigaddset(&one, number);
  sigprocmask(SIG_BLOCK, &one, &before);
  raise(number);
  keeper_->Turn();
  const timespec now{};
  Demand(sigtimedwait(&one, nullptr, &now) < 0, "the keeper takes its signals");
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

void World::Pass(int64_t ns) {
  machine_.now_ns += ns;
  if (!unsettled_) Settle();
}

// Until all that has happened has been dealt with.
void World::Settle() {
  int turns = 0;
  while (keeper_->Turn() || keeper_->busy()) Demand(++turns < 2000, "the keeper comes to rest");
  keeper_->Check();
  unsettled_ = false;
}

// --- the end ------------------------------------------------------------------------------------

// All fronts die: the one that comes next.
FakeProcess* World::AwaitFront() {
  for (const auto& process : machine_.processes()) {
    if (process->is_front()) FakeMachine::Exit(process.get(), 0);
  }
  Settle();
  Pass(6 * kSecond);
  FakeProcess* front = Choose(/*front=*/true, 0);
  Demand(front != nullptr, "a front that has gone is replaced");
  return front;
}

void World::Succeed() {
  Settle();
  if (keeper_->draining()) return;
  machine_.exhausted = false;
  FakeProcess* front = AwaitFront();
  v1::FrontRequest hello, prepared;
  hello.mutable_hello()->set_protocol_version(3);
  prepared.mutable_prepared();
  Tell(front, {hello, prepared});
  FrontView& view = ViewOf(*front);
  for (int turns = 0; turns < 100 && !view.has_all(); ++turns) {
    Hear(front);
    Settle();
  }
  Demand(view.has_all(), "a front is handed over to");
  for (const Session* session : keeper_->Sessions()) {
    Demand(view.Knows(session->number()), "every session is handed over");
    const FakeProcess* command = nullptr;
    for (const auto& process : machine_.processes()) {
      if (process->session == session->number()) command = process.get();
    }
    if (command == nullptr) continue;
    const char* slot = reinterpret_cast<const char*>(&keeper_->arena().header(session->slot()));
    CheckSlot(slot, session->Describe().ring_bytes(), *command);
  }
  std::vector<v1::FrontRequest> logs;
  v1::Adopted archived;
  for (uint64_t number = 0; keeper_->archive().DescribeNext(&number, &archived);) {
    Demand(view.Knows(number), "every archived session is handed over");
    logs.emplace_back().mutable_open_log()->set_session(number);
  }
  archived_ = logs.size();
  if (!logs.empty()) Tell(front, logs);
  v1::FrontRequest undrain;
  undrain.mutable_set_draining()->set_line("{}");
  undrain.mutable_set_draining()->set_id(1);
  Tell(front, {undrain});
  Hear(front);
  RunOneCommand(front);
}

// As if nothing had been.
void World::RunOneCommand(FakeProcess* front) {
  // Starts that hang are given up, and their lanes are free.
  const auto starting = [this] {
    const std::vector<const Session*> sessions = keeper_->Sessions();
    return std::any_of(sessions.begin(), sessions.end(), [](const Session* session) {
      return session->state() <= Session::State::kStarting;
    });
  };
  for (uint32_t round = 0; round < kSlots && starting(); ++round) Pass(61 * kSecond);
  Demand(!starting(), "no start takes forever");
  Hear(front);

  FrontView& view = ViewOf(*front);
  const uint64_t number = view.next_session();
  const bool fits = keeper_->Sessions().size() < kSlots;
  v1::FrontRequest request;
  v1::Spawn* spawn = request.mutable_spawn();
  spawn->set_session(number);
  spawn->mutable_record()->add_argv("true");
  spawn->mutable_record()->set_audit_intent("{}");
  Tell(front, {request});
  FakeProcess* command = machine_.processes().back().get();
  if (!fits) {
    Hear(front);
    Demand(view.Failed(number), "a command for which there is no slot is refused");
    return;
  }
  Demand(command->session == number, "a command starts");
  GoOn(command, 2);
  Settle();
  Write(command, 10);
  FakeMachine::Exit(command, 7 << 8);
  Settle();
  Hear(front);
  const v1::Terminated* end = view.End(number);
  Demand(end != nullptr && end->exit_code() == 7 && end->output_complete() &&
             end->streams(0).bytes() == 32,
         "a command's end is exact");
}

void World::Stop() {
  machine_.exhausted = false;
  constexpr int64_t kLongerThanAnyLadder = 4'000'000'000 * kSecond;
  for (int i = 0; i < 2 && !keeper_->Done(); ++i) Signal(SIGTERM);
  for (int round = 0; round < 8 && !keeper_->Done(); ++round) {
    for (const auto& process : machine_.processes()) {
      if (process->is_front()) continue;
      FakeMachine::Exit(process.get(), 0);
      process->ends = {};
    }
    Settle();
    Pass(round == 0 ? kLongerThanAnyLadder : 100 * kSecond);
  }
  Demand(keeper_->Done(), "the keeper stops when it is told to");
  keeper_.reset();
  for (const auto& process : machine_.processes()) {
    Demand(process->reaped, "every process is reaped");
  }
}

Played World::Sum() const {
  Played played{.archived = archived_};
  for (const auto& process : machine_.processes()) {
    ++(process->is_front() ? played.fronts : played.commands);
    if (process->session == 0) continue;
    played.ended += std::any_of(views_.begin(), views_.end(), [&](const auto& view) {
      return view.second.End(process->session) != nullptr;
    });
  }
  return played;
}

}  // namespace

Played PlayScript(std::string_view bytes) {
  static const TempDir directory;
  [[maybe_unused]] static const bool silent =
      (log::Init("fuzz", log::Level::kNone), google::protobuf::SetLogHandler(nullptr), true);
  const std::string audit = directory.path() + "/audit.jsonl";
  (void)!truncate(audit.c_str(), 0);
  Played played;
  const Descriptors before = OpenDescriptors();
  {
    World world(directory.path());
    const std::vector<Act> acts = ParseScript(bytes);
    for (const Act& act : acts) world.Perform(act);
    world.Succeed();
    world.Stop();
    played = world.Sum();
    played.acts = acts.size();
    played.datagrams = static_cast<size_t>(std::count_if(
        acts.begin(), acts.end(), [](const Act& act) { return act.kind == Act::kSay; }));
  }
  Demand(OpenDescriptors() == before, "no descriptor is left open");
  return played;
}

}  // namespace nacre::keeper
