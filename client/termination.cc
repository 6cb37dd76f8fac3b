#include "client/termination.h"

namespace nacre::client {
namespace {

absl::Duration FromWire(const google::protobuf::Duration& wire) {
  return absl::Seconds(wire.seconds()) + absl::Nanoseconds(wire.nanos());
}

Cause FromWire(v1::Cause wire) {
  switch (wire) {
    case v1::CAUSE_EXITED:
      return Cause::kExited;
    case v1::CAUSE_SIGNALED:
      return Cause::kSignaled;
    case v1::CAUSE_TIMED_OUT:
      return Cause::kTimedOut;
    case v1::CAUSE_CANCELLED:
      return Cause::kCancelled;
    case v1::CAUSE_OUTPUT_LIMIT:
      return Cause::kOutputLimit;
    case v1::CAUSE_OUT_OF_MEMORY:
      return Cause::kOutOfMemory;
    case v1::CAUSE_NODE_LOST:
      return Cause::kNodeLost;
    case v1::CAUSE_DISCONNECTED:
      return Cause::kDisconnected;
    case v1::CAUSE_CPU_LIMIT:
      return Cause::kCpuLimit;
    default:
      return Cause::kUnknown;
  }
}

}  // namespace

absl::Time FromWire(const google::protobuf::Timestamp& wire) {
  return absl::FromUnixSeconds(wire.seconds()) + absl::Nanoseconds(wire.nanos());
}

Termination FromWire(const v1::Termination& wire) {
  Termination end;
  if (wire.has_exit_code()) {
    end.result = Exited{.code = static_cast<int>(wire.exit_code())};
  } else if (wire.has_signal()) {
    end.result = Signaled{.number = static_cast<int>(wire.signal().number()),
                          .name = wire.signal().name(),
                          .core_dumped = wire.signal().core_dumped()};
  }
  end.cause = FromWire(wire.cause());
  end.cancelled_by = wire.cancelled_by();
  end.start_time = FromWire(wire.start_time());
  end.end_time = FromWire(wire.end_time());
  end.run_time = FromWire(wire.run_time());
  end.usage = {.user_time = FromWire(wire.usage().user_time()),
               .system_time = FromWire(wire.usage().system_time()),
               .max_rss_bytes = wire.usage().max_rss_bytes()};
  for (const v1::StreamSummary& stream : wire.streams()) {
    end.streams.push_back({.stream = stream.stream() == v1::OUTPUT_STREAM_STDERR
                                         ? OutputStream::kStderr
                                         : OutputStream::kStdout,
                           .bytes = stream.bytes(),
                           .xxh3_128 = stream.xxh3_128()});
  }
  end.output_complete = wire.output_complete();
  end.output_held_open = wire.output_held_open();
  return end;
}

std::string_view CauseName(Cause cause) {
  switch (cause) {
    case Cause::kUnknown:
      return "unknown";
    case Cause::kExited:
      return "exited";
    case Cause::kSignaled:
      return "signaled";
    case Cause::kTimedOut:
      return "timed out";
    case Cause::kCancelled:
      return "cancelled";
    case Cause::kOutputLimit:
      return "output limit";
    case Cause::kOutOfMemory:
      return "out of memory";
    case Cause::kNodeLost:
      return "node lost";
    case Cause::kDisconnected:
      return "disconnected";
    case Cause::kCpuLimit:
      return "cpu limit";
  }
  return "unknown";
}

}  // namespace nacre::client
