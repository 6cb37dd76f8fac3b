#include "tests/fuzz/front_view.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/ring_layout.h"

namespace nacre::keeper {
namespace {

// Bytes of a run that are looked at; of longer ones some are left out.
constexpr uint64_t kLooks = 256;

}  // namespace

char OutputByte(uint64_t session, uint64_t offset) {
  return static_cast<char>(offset ^ offset >> 8 ^ session << 5);
}

void CheckSlot(const char* slot, size_t ring_bytes, const FakeProcess& command) {
  const auto& header = *reinterpret_cast<const SlotHeader*>(slot);
  const auto* order = reinterpret_cast<const OrderEntry*>(slot + OrderOffset(0));
  Demand(header.kept <= header.total, "what is kept lies before the total");
  Demand(header.order_count - header.order_tail <= kOrderEntries, "the order index holds the kept");
  uint64_t position = header.kept;
  for (uint64_t entry = header.order_tail; entry < header.order_count; ++entry) {
    const OrderRun run = OrderRun::Load(order[entry % kOrderEntries]);
    Demand(run.end >= position && run.end <= header.total, "the order index rises to the total");
    const char* ring = slot + RingOffset(0, run.stream);
    const uint64_t step = 1 + (run.end - position) / kLooks;
    for (; position < run.end; position += std::min(step, run.end - position)) {
      const uint64_t offset = position - run.other;
      Demand(offset < command.written[run.stream], "no byte comes that was not written");
      Demand(ring[offset % ring_bytes] == OutputByte(command.session, offset),
             "each kept byte is what the command has written there");
    }
  }
  Demand(position == header.total, "the order index covers all that is kept");
}

void FrontView::Said(const v1::FrontMessage& message) {
  for (const v1::FrontRequest& request : message.requests()) {
    if (request.has_spawn()) asked_.insert(request.spawn().session());
    if (request.has_open_log()) ++logs_asked_;
    if (request.has_forget()) let_go_.insert(request.forget().session());
    if (request.has_archive()) let_go_.insert(request.archive().session());
    if (request.has_open_files()) ++files_asked_;
    if (request.audit().id() != 0) ++audits_asked_;
    if (request.has_set_draining()) ++drains_asked_;
    if (request.has_prepared()) prepared_ = true;
  }
}

void FrontView::Heard(const seqpacket::Datagram& datagram) {
  v1::KeeperMessage message;
  Demand(message.ParseFromString(datagram.bytes), "what the keeper says can be parsed");
  Demand(message.events_size() > 0, "no datagram of the keeper is empty");
  for (const v1::KeeperEvent& event : message.events()) {
    Demand(welcome_ || event.has_welcome(), "the first word is welcome");
    switch (event.event_case()) {
      case v1::KeeperEvent::kWelcome:
        OnWelcome(event.welcome(), datagram.fds.size());
        break;
      case v1::KeeperEvent::kSpawned:
        OnSpawned(event.spawned().session());
        break;
      case v1::KeeperEvent::kSpawnFailed:
        OnSpawnFailed(event.spawn_failed());
        break;
      case v1::KeeperEvent::kProgress:
        Demand(Knows(event.progress().session()) &&
                   sessions_[event.progress().session()] == Life::kRunning,
               "only a command that runs makes progress");
        break;
      case v1::KeeperEvent::kTerminated:
        OnTerminated(event.terminated());
        break;
      case v1::KeeperEvent::kAdopted:
        OnAdopted(event.adopted());
        break;
      case v1::KeeperEvent::kAdoptionDone:
        OnAdoptionDone(event.adoption_done());
        break;
      case v1::KeeperEvent::kLogOpened:
        Demand(message.events_size() == 1, "LogOpened is alone in its datagram");
        OnLogOpened(event.log_opened(), datagram);
        break;
      case v1::KeeperEvent::kFilesOpened:
        Demand(message.events_size() == 1, "FilesOpened is alone in its datagram");
        Demand(files_asked_-- > 0, "only who asks for files is answered");
        Demand(datagram.fds.size() == (event.files_opened().failed().empty() ? 1 : 0),
               "a channel comes, or why there is none");
        break;
      case v1::KeeperEvent::kAudited:
        Demand(audits_asked_-- > 0, "only who asks is told of the audit");
        break;
      case v1::KeeperEvent::kDrainingSet:
        // One that is to follow is told of what the other has asked, without an id.
        Demand(event.draining_set().id() == 0 || drains_asked_-- > 0,
               "only who asks to refuse new sessions is answered");
        break;
      case v1::KeeperEvent::kRetire:
        Demand(prepared_ && !std::exchange(retire_, true), "a front that serves retires, once");
        break;
      case v1::KeeperEvent::kDrain:
        break;
      case v1::KeeperEvent::EVENT_NOT_SET:
        Demand(false, "each event says something");
    }
  }
}

void FrontView::OnWelcome(const v1::Welcome& welcome, size_t fds) {
  Demand(!std::exchange(welcome_, true), "welcome comes once");
  Demand(fds == 2, "the two arenas come with welcome");
  next_session_ = welcome.next_session();
}

void FrontView::OnSpawned(uint64_t session) {
  Demand(Knows(session) ? sessions_[session] == Life::kStarting : asked_.contains(session),
         "only what was to be started has started");
  sessions_[session] = Life::kRunning;
}

void FrontView::OnSpawnFailed(const v1::SpawnFailed& failure) {
  Demand(Knows(failure.session()) ? sessions_[failure.session()] == Life::kStarting
                                  : asked_.contains(failure.session()),
         "only what was to be started can fail to");
  Demand(failure.step() != v1::SPAWN_STEP_UNSPECIFIED, "a failure says at which step");
  sessions_[failure.session()] = Life::kFailed;
}

void FrontView::OnTerminated(const v1::Terminated& end) {
  Demand(Knows(end.session()) && sessions_[end.session()] == Life::kRunning,
         "what ends has run, and ends once");
  Demand(end.cause() != v1::END_CAUSE_UNSPECIFIED, "an end has a cause");
  const FakeProcess* command = find_command_(end.session());
  Demand(command != nullptr && !command->alive, "a command that has ended is no more");
  for (int i = 0; i < end.streams_size(); ++i) {
    const uint64_t bytes = end.streams(i).bytes();
    Demand(bytes <= command->written[i], "no more was counted than written");
    Demand(bytes == command->written[i] || !end.output_complete(), "complete output is complete");
  }
  sessions_[end.session()] = Life::kEnded;
  ends_[end.session()] = end;
}

void FrontView::OnAdopted(const v1::Adopted& adopted) {
  Demand(prepared_, "nothing is handed over to a front that is not prepared");
  Demand(!Knows(adopted.session()), "a session is handed over once");
  sessions_[adopted.session()] = adopted.running() ? Life::kRunning : Life::kStarting;
  Demand(!adopted.archived() || adopted.has_terminated(), "what is archived has ended");
  if (!adopted.has_terminated()) return;
  sessions_[adopted.session()] = Life::kRunning;
  OnTerminated(adopted.terminated());
  uint64_t total = 0;
  for (const v1::StreamTotal& stream : adopted.terminated().streams()) total += stream.bytes();
  Demand(adopted.released() <= total, "no more is released than there is");
  Demand(adopted.kept() <= total, "no more is given up than there is");
}

void FrontView::OnAdoptionDone(const v1::AdoptionDone& done) {
  Demand(prepared_ && !std::exchange(adoption_done_, true), "sessions are handed over once");
  Demand(done.next_session() >= next_session_, "session numbers only grow");
  for (const auto& [session, life] : sessions_) {
    Demand(session < done.next_session() || asked_.contains(session), "numbers are not used twice");
  }
  next_session_ = done.next_session();
}

void FrontView::OnLogOpened(const v1::LogOpened& opened, const seqpacket::Datagram& datagram) {
  Demand(++logs_told_ <= logs_asked_, "logs come when they are asked for");
  Demand(datagram.fds.size() == (opened.lost().empty() ? 1 : 0), "a log that is not lost comes");
  if (!opened.lost().empty()) return;
  struct stat info;
  const int fd = datagram.fds[0].get();
  Demand(fstat(fd, &info) == 0 && static_cast<size_t>(info.st_size) == kSlotBytes,
         "a log is one slot");
  void* slot = mmap(nullptr, kSlotBytes, PROT_READ, MAP_SHARED, fd, 0);
  Demand(slot != MAP_FAILED, "a log can be mapped");
  CheckSlot(static_cast<const char*>(slot), opened.ring_bytes(), *find_command_(opened.session()));
  munmap(slot, kSlotBytes);
}

bool FrontView::Failed(uint64_t session) const {
  const auto it = sessions_.find(session);
  return it != sessions_.end() && it->second == Life::kFailed;
}

bool FrontView::Holds(uint64_t session) const {
  return Knows(session) && !Failed(session) && !let_go_.contains(session);
}

std::vector<uint64_t> FrontView::Sessions() const {
  std::vector<uint64_t> sessions;
  for (const auto& [session, life] : sessions_) sessions.push_back(session);
  return sessions;
}

const v1::Terminated* FrontView::End(uint64_t session) const {
  const auto it = ends_.find(session);
  return it != ends_.end() ? &it->second : nullptr;
}

}  // namespace nacre::keeper
