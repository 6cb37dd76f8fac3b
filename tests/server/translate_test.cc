#include "server/translate.h"

#include <gtest/gtest.h>

#include "executor/errors.h"

namespace nacre {
namespace {

v1::Start Valid() {
  v1::Start start;
  start.mutable_command()->add_argv("true");
  return start;
}

// The code and field of a refusal, e.g. "UNIMPLEMENTED command.terminal".
std::string Refusal(const v1::Start& start) {
  const auto spec = ToCommandSpec(start);
  if (spec.ok()) return "accepted";
  return absl::StatusCodeToString(spec.status().code()) + " " +
         ErrorField(spec.status()).value_or("?");
}

TEST(TranslateTest, DefaultsAreTheContracts) {
  const auto spec = ToCommandSpec(Valid());
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_FALSE(spec->input());
  EXPECT_FALSE(spec->ToRecord().merge_stderr());
  EXPECT_FALSE(spec->has_terminal());
  EXPECT_EQ(spec->on_disconnect().grace_ns, 30'000'000'000);
}

TEST(TranslateTest, PoliciesForLaterReadersArrive) {
  v1::Start start = Valid();
  EXPECT_FALSE(ToCommandSpec(start)->on_disconnect().keep);
  EXPECT_TRUE(ToCommandSpec(start, v1::ON_DISCONNECT_KEEP)->on_disconnect().keep);
  start.mutable_policies()->set_on_disconnect(v1::ON_DISCONNECT_KILL_AFTER_GRACE);
  EXPECT_FALSE(ToCommandSpec(start, v1::ON_DISCONNECT_KEEP)->on_disconnect().keep);
  EXPECT_EQ(ToCommandSpec(start)->retention().after_end_ns, 600'000'000'000);
  EXPECT_FALSE(ToCommandSpec(start)->retention().block_on_overflow);
  start.mutable_policies()->mutable_retention();
  start.mutable_policies()->set_overflow(v1::OVERFLOW_POLICY_BLOCK);
  start.mutable_policies()->set_retention_bytes(600'000);
  start.set_request_id("r");
  (*start.mutable_tags())["a"] = "b";
  const auto spec = ToCommandSpec(start);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->retention().after_end_ns, 0);
  EXPECT_EQ(spec->retention().bytes, 602'112U);
  EXPECT_TRUE(spec->retention().block_on_overflow);
  EXPECT_EQ(spec->request_id(), "r");
  EXPECT_EQ(spec->tags().at("a"), "b");
}

TEST(TranslateTest, EveryWayToSayACommandArrives) {
  v1::Start start;
  start.mutable_command()->mutable_shell_line()->set_line("echo $x");
  EXPECT_EQ(ToCommandSpec(start)->argv(), (std::vector<std::string>{"/bin/sh", "-c", "echo $x"}));
  start.mutable_command()->mutable_shell_line()->set_login_shell(true);
  EXPECT_EQ(ToCommandSpec(start)->argv(), std::vector<std::string>{"echo $x"});
  start = v1::Start();
  start.mutable_command()->add_argv_bytes("ls");
  start.mutable_command()->add_argv_bytes("\xff");
  EXPECT_EQ(ToCommandSpec(start)->argv(), (std::vector<std::string>{"ls", "\xff"}));
}

TEST(TranslateTest, ATerminalReachesTheKeeper) {
  v1::Start start = Valid();
  v1::Terminal* terminal = start.mutable_command()->mutable_terminal();
  terminal->set_term("xterm");
  terminal->set_rows(24);
  terminal->set_columns(65'535);
  start.mutable_command()->mutable_limits()->set_output_bytes(7);
  const auto spec = ToCommandSpec(start);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(spec->has_terminal());
  const keeper::v1::SpawnRecord record = spec->ToRecord();
  EXPECT_EQ(record.terminal().term(), "xterm");
  EXPECT_EQ(record.terminal().rows(), 24U);
  EXPECT_EQ(record.terminal().columns(), 65'535U);
  EXPECT_EQ(record.limits().output_bytes(), 7U);
  terminal->set_columns(65'536);
  EXPECT_EQ(Refusal(start), "INVALID_ARGUMENT command.terminal");
}

TEST(TranslateTest, TheLoginShellItselfNeedsNoLine) {
  v1::Start start;
  start.mutable_command()->mutable_shell_line()->set_login_shell(true);
  const auto spec = ToCommandSpec(start);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(spec->argv().empty());
  EXPECT_TRUE(spec->ToRecord().user_shell());
}

TEST(TranslateTest, UserLimitsAndScopeReachTheKeeper) {
  v1::Start start = Valid();
  start.mutable_command()->set_run_as_user("bob");
  v1::Limits* limits = start.mutable_command()->mutable_limits();
  limits->mutable_cpu_time()->set_seconds(2);
  limits->set_memory_bytes(uint64_t{3} << 30);
  limits->set_processes(4);
  limits->set_open_files(5);
  limits->set_nice(6);
  start.mutable_policies()->set_kill_scope(v1::KILL_SCOPE_LEADER);
  const auto spec = ToCommandSpec(start);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->run_as(), "bob");
  const keeper::v1::SpawnRecord record = spec->ToRecord();
  EXPECT_EQ(record.kill_scope(), keeper::v1::KILL_SCOPE_LEADER);
  EXPECT_EQ(record.limits().cpu_ns(), 2'000'000'000U);
  EXPECT_EQ(record.limits().memory_bytes(), uint64_t{3} << 30);
  EXPECT_EQ(record.limits().processes(), 4U);
  EXPECT_EQ(record.limits().open_files(), 5U);
  EXPECT_EQ(record.limits().nice(), 6U);
}

TEST(TranslateTest, BadValuesAreRefusedByName) {
  EXPECT_EQ(Refusal(v1::Start()), "INVALID_ARGUMENT start.command");
  v1::Start start;
  start.mutable_command();
  EXPECT_EQ(Refusal(start), "INVALID_ARGUMENT command.argv");
  start = Valid();
  start.mutable_command()->add_argv_bytes("twice");
  EXPECT_EQ(Refusal(start), "INVALID_ARGUMENT command.argv");
  start = v1::Start();
  start.mutable_command()->mutable_shell_line();
  EXPECT_EQ(Refusal(start), "INVALID_ARGUMENT command.shell_line");
  start = Valid();
  start.mutable_command()->set_input(static_cast<v1::InputMode>(99));
  EXPECT_EQ(Refusal(start), "INVALID_ARGUMENT command.input");
  start = Valid();
  start.mutable_command()->set_stderr_mode(static_cast<v1::StderrMode>(-1));
  EXPECT_EQ(Refusal(start), "INVALID_ARGUMENT command.stderr_mode");
  start = Valid();
  start.mutable_policies()->set_kill_scope(static_cast<v1::KillScope>(99));
  EXPECT_EQ(Refusal(start), "INVALID_ARGUMENT policies.kill_scope");
  start = Valid();
  start.mutable_policies()->set_on_disconnect(static_cast<v1::OnDisconnect>(99));
  EXPECT_EQ(Refusal(start), "INVALID_ARGUMENT policies.on_disconnect");
  for (const int64_t seconds : {int64_t{-1}, int64_t{0}, INT64_MAX}) {
    start = Valid();
    start.mutable_command()->mutable_timeout()->set_seconds(seconds);
    EXPECT_EQ(Refusal(start), "INVALID_ARGUMENT command.timeout");
  }
  start = Valid();
  start.mutable_command()->set_cwd("/a");
  start.mutable_command()->set_cwd_bytes("/b");
  EXPECT_EQ(Refusal(start), "INVALID_ARGUMENT command.cwd");
}

TEST(TranslateTest, ATerminationArrivesWhole) {
  Termination end;
  end.set_signal(9);
  end.set_core_dumped(true);
  end.set_cause(keeper::v1::END_CAUSE_CANCELLED);
  end.set_by("uid:7");
  end.set_start_unix_ns(1'500'000'000);
  end.set_run_ns(2'000'000'001);
  end.set_max_rss_bytes(4096);
  end.add_streams()->set_bytes(5);
  end.add_streams()->set_xxh3_128("0123456789abcdef");
  end.set_output_held_open(true);
  const v1::Termination wire = ToTermination(end);
  EXPECT_EQ(wire.signal().name(), "SIGKILL");
  EXPECT_TRUE(wire.signal().core_dumped());
  EXPECT_EQ(wire.cause(), v1::CAUSE_CANCELLED);
  EXPECT_EQ(wire.cancelled_by(), "uid:7");
  EXPECT_EQ(wire.start_time().seconds(), 1);
  EXPECT_EQ(wire.start_time().nanos(), 500'000'000);
  EXPECT_EQ(wire.run_time().nanos(), 1);
  EXPECT_EQ(wire.streams(0).stream(), v1::OUTPUT_STREAM_STDOUT);
  EXPECT_EQ(wire.streams(0).bytes(), 5u);
  EXPECT_EQ(wire.streams(1).stream(), v1::OUTPUT_STREAM_STDERR);
  EXPECT_EQ(wire.streams(1).xxh3_128(), "0123456789abcdef");
  EXPECT_TRUE(wire.output_held_open());
}

}  // namespace
}  // namespace nacre
