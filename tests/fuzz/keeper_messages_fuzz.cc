// Plays scripts of evil fronts, their commands and the system on a keeper: see README.md.

#include <algorithm>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/keeper/v1/keeper.pb.h"
#include "tests/fuzz/keeper_world.h"
#include "tests/fuzz/script.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace nacre::keeper {
namespace {

using Random = std::minstd_rand;

size_t Below(Random* random, size_t bound) {
  return std::uniform_int_distribution<size_t>(0, bound - 1)(*random);
}

std::string Mutate(std::string bytes, size_t room) {
  const size_t size = bytes.size();
  bytes.resize(size + room);
  bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), size, bytes.size()));
  return bytes;
}

// Mutated bytes of a message, if they are one again. Libraries' own parsers are not what is looked
// for.
template <typename Message>
void MutateMessage(Message* message, size_t room) {
  Message mutated;
  if (mutated.ParseFromString(Mutate(message->SerializeAsString(), room))) *message = mutated;
}

// One of the sessions that there may be.
uint64_t SomeSession(Random* random) { return Below(random, 10); }

// A request of any kind that may well be in order.
v1::FrontRequest MakeRequest(Random* random) {
  v1::FrontRequest request;
  const uint64_t session = SomeSession(random);
  switch (Below(random, 18)) {
    case 0:
      request.mutable_hello()->set_protocol_version(static_cast<uint32_t>(Below(random, 5)));
      break;
    case 1:
      request.mutable_prepared();
      break;
    case 2:
      request.mutable_ready();
      break;
    case 3:
      request.mutable_retired();
      break;
    case 4:
      request.mutable_keep()->set_session(session);
      break;
    case 5:
      request.mutable_release()->set_session(session);
      request.mutable_release()->set_position(Below(random, 1 << 16));
      request.mutable_release()->set_waits(Below(random, 2) == 0);
      break;
    case 6:
      request.mutable_input()->set_session(session);
      request.mutable_input()->set_produced(Below(random, 300'000));
      request.mutable_input()->set_eof(Below(random, 4) == 0);
      break;
    case 7:
      request.mutable_signal()->set_session(session);
      request.mutable_signal()->set_number(static_cast<uint32_t>(Below(random, 66)));
      request.mutable_signal()->set_scope(static_cast<v1::KillScope>(Below(random, 5)));
      break;
    case 8:
      request.mutable_end()->set_session(session);
      request.mutable_end()->set_cause(static_cast<v1::EndCause>(3 + Below(random, 4)));
      break;
    case 9:
      request.mutable_forget()->set_session(session);
      break;
    case 10:
      request.mutable_audit()->set_line("{}");
      request.mutable_audit()->set_id(Below(random, 2));
      break;
    case 11:
      request.mutable_update()->set_session(session);
      break;
    case 12:
      request.mutable_set_overflow()->set_session(session);
      request.mutable_set_overflow()->set_keep_newest(Below(random, 2) == 0);
      break;
    case 13:
      request.mutable_archive()->set_session(session);
      break;
    case 14:
      request.mutable_open_log()->set_session(session);
      break;
    case 15:
      request.mutable_open_files()->set_user(Below(random, 2) == 0 ? "root" : "nobody");
      break;
    case 16:
      request.mutable_set_draining()->set_draining(Below(random, 2) == 0);
      request.mutable_set_draining()->set_line("{}");
      request.mutable_set_draining()->set_id(1 + Below(random, 3));
      break;
    default: {
      v1::Spawn* spawn = request.mutable_spawn();
      spawn->set_session(session);
      spawn->mutable_record()->add_argv("a");
      spawn->mutable_record()->set_audit_intent("{}");
      spawn->mutable_record()->set_input(Below(random, 2) == 0);
      spawn->mutable_record()->set_merge_stderr(Below(random, 2) == 0);
      if (Below(random, 2) == 0) spawn->mutable_record()->set_ring_bytes(4096);
      if (Below(random, 2) == 0) spawn->mutable_record()->set_timeout_ns(1'000'000'000);
    }
  }
  return request;
}

void MutateRequests(std::string* datagram, Random* random, size_t room) {
  v1::FrontMessage message;
  if (!message.ParseFromString(*datagram) || message.requests_size() == 0) {
    *message.add_requests() = MakeRequest(random);
  }
  auto* requests = message.mutable_requests();
  const int one = static_cast<int>(Below(random, requests->size()));
  const int other = static_cast<int>(Below(random, requests->size()));
  switch (Below(random, 6)) {
    case 0:
      *message.add_requests() = v1::FrontRequest(requests->Get(one));
      break;
    case 1:
      requests->DeleteSubrange(one, 1);
      break;
    case 2:
      requests->SwapElements(one, other);
      break;
    case 3:
      *message.add_requests() = MakeRequest(random);
      break;
    default:
      MutateMessage(requests->Mutable(one), room);
  }
  *datagram = message.SerializeAsString();
}

Act MakeAct(Random* random) {
  Act act{.kind = static_cast<Act::Kind>(Below(random, Act::kKinds)),
          .at_once = Below(random, 8) == 0,
          .who = static_cast<uint8_t>(Below(random, 8)),
          .how = static_cast<uint8_t>(Below(random, 256)),
          .datagram = {}};
  if (act.kind == Act::kSay) {
    if (Below(random, 4) != 0) act.how = 0;
    v1::FrontMessage message;
    *message.add_requests() = MakeRequest(random);
    act.datagram = message.SerializeAsString();
  }
  return act;
}

void MutateAct(Act* act, Random* random, size_t room) {
  switch (Below(random, 8)) {
    case 0:
      act->who = static_cast<uint8_t>(Below(random, 256));
      break;
    case 1:
      act->how = static_cast<uint8_t>(Below(random, 256));
      act->at_once = Below(random, 2) == 0;
      break;
    case 2:
      *act = MakeAct(random);
      break;
    case 3:
      act->datagram = Mutate(act->datagram, room);
      break;
    default:
      MutateRequests(&act->datagram, random, room);
  }
}

void MutateActs(std::vector<Act>* acts, Random* random, size_t room) {
  if (acts->empty()) acts->push_back(MakeAct(random));
  const auto at = [&] {
    return acts->begin() + static_cast<ptrdiff_t>(Below(random, acts->size()));
  };
  switch (Below(random, 6)) {
    case 0:
      acts->insert(at(), MakeAct(random));
      break;
    case 1:
      acts->push_back(MakeAct(random));
      break;
    case 2:
      acts->erase(at());
      break;
    case 3:
      std::iter_swap(at(), at());
      break;
    default:
      MutateAct(&*at(), random, room);
  }
}

std::string_view View(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

size_t Put(const std::string& bytes, uint8_t* data, size_t max_size) {
  const size_t size = std::min(bytes.size(), max_size);
  std::copy_n(bytes.begin(), size, data);
  return size;
}

}  // namespace
}  // namespace nacre::keeper

using nacre::keeper::Act;

// Short stacks of allocations and little that is freed and kept: half as fast again. ASAN_OPTIONS
// may say otherwise.
extern "C" const char* __asan_default_options() {
  return "malloc_context_size=3:max_malloc_fill_size=64:quarantine_size_mb=16";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static uint64_t datagrams = 0;
  [[maybe_unused]] static const int told_at_the_end =
      std::atexit([] { std::fprintf(stderr, "stat::datagrams: %" PRIu64 "\n", datagrams); });
  datagrams += nacre::keeper::PlayScript(nacre::keeper::View(data, size)).datagrams;
  return 0;
}

// Whole acts and requests change, rather than bytes that would shift all that follows.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  nacre::keeper::Random random(seed);
  std::vector<Act> acts = nacre::keeper::ParseScript(nacre::keeper::View(data, size));
  const size_t room = max_size > size ? std::min<size_t>(max_size - size, 256) : 0;
  for (size_t i = 0; i <= nacre::keeper::Below(&random, 3); ++i) {
    nacre::keeper::MutateActs(&acts, &random, room);
  }
  return nacre::keeper::Put(nacre::keeper::WriteScript(acts), data, max_size);
}

// The beginning of one script, the end of another.
extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* data1, size_t size1,
                                            const uint8_t* data2, size_t size2, uint8_t* out,
                                            size_t max_out_size, unsigned int seed) {
  nacre::keeper::Random random(seed);
  std::vector<Act> acts = nacre::keeper::ParseScript(nacre::keeper::View(data1, size1));
  const std::vector<Act> more = nacre::keeper::ParseScript(nacre::keeper::View(data2, size2));
  acts.resize(nacre::keeper::Below(&random, acts.size() + 1));
  acts.insert(acts.end(),
              more.begin() + static_cast<ptrdiff_t>(nacre::keeper::Below(&random, more.size() + 1)),
              more.end());
  return nacre::keeper::Put(nacre::keeper::WriteScript(acts), out, max_out_size);
}
