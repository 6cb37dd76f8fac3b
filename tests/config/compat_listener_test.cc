#include "config/compat_listener.h"

#include <gtest/gtest.h>

#include <string>

namespace nacre {
namespace {

std::string Refusal(const std::string& text) {
  const auto listener = CompatListener::Parse(text);
  return listener.ok() ? "" : std::string(listener.status().message());
}

TEST(CompatListenerTest, AnAddressIsEnough) {
  const auto listener = CompatListener::Parse("framed=127.0.0.1:9100");
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(listener->ToString(), "framed=127.0.0.1:9100");
  EXPECT_EQ(listener->order, CompatListener::Order::kOutErr);
  EXPECT_EQ(listener->request, CompatListener::RequestStyle::kAuto);
  EXPECT_EQ(listener->max_request, 65536U);
  EXPECT_EQ(listener->max_output, 2147483647U);
  EXPECT_EQ(listener->timeout_ns, 0);
  EXPECT_EQ(listener->write_timeout_ns, 60'000'000'000);
}

TEST(CompatListenerTest, EveryOptionIsUnderstood) {
  const auto listener = CompatListener::Parse(
      "framed=[::1]:0,order=err-or-out,request=framed,timeout=1m30s,idle_timeout=0,"
      "write_timeout=500ms,max_request=1K,max_output=5M,max_connections=7,quit=bye,"
      "encoding=gbk,secret_file=/etc/nacre/ops.key");
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(listener->address.host, "::1");
  EXPECT_EQ(listener->order, CompatListener::Order::kErrOrOut);
  EXPECT_EQ(listener->request, CompatListener::RequestStyle::kFramed);
  EXPECT_EQ(listener->timeout_ns, 90'000'000'000);
  EXPECT_EQ(listener->idle_timeout_ns, 0);
  EXPECT_EQ(listener->write_timeout_ns, 500'000'000);
  EXPECT_EQ(listener->max_request, 1024U);
  EXPECT_EQ(listener->max_output, 5U << 20);
  EXPECT_EQ(listener->max_connections, 7U);
  EXPECT_EQ(listener->quit, "bye");
  EXPECT_EQ(listener->encoding, CompatListener::Encoding::kGbk);
  EXPECT_EQ(listener->secret_file, "/etc/nacre/ops.key");
}

TEST(CompatListenerTest, AddressesThatOthersReachAreRefused) {
  for (const char* address : {"0.0.0.0:9100", "[::]:9100", "192.168.1.2:9100", "8.8.8.8:1"}) {
    EXPECT_NE(Refusal(std::string("framed=") + address).find("loopback only"), std::string::npos);
  }
}

TEST(CompatListenerTest, AWrongWordIsRefusedWithTheRightOne) {
  EXPECT_NE(Refusal("framd=127.0.0.1:1").find("did you mean \"framed\"?"), std::string::npos);
  EXPECT_NE(Refusal("framed=127.0.0.1:1,max_ouput=1").find("did you mean \"max_output\"?"),
            std::string::npos);
  EXPECT_NE(Refusal("framed=127.0.0.1:1,order=out_err").find("did you mean \"out-err\"?"),
            std::string::npos);
}

TEST(CompatListenerTest, WhatComesLaterIsRefusedAsThat) {
  EXPECT_NE(Refusal("header=127.0.0.1:1").find("not served yet"), std::string::npos);
  EXPECT_NE(Refusal("framed=127.0.0.1:1,run_as=www").find("not served yet"), std::string::npos);
}

TEST(CompatListenerTest, ARefusalQuotesWhatWasAskedFor) {
  for (const char* text : {"",
                           "framed",
                           "=127.0.0.1:1",
                           "framed=",
                           "framed=unix:/s",
                           "framed=127.0.0.1",
                           "framed=127.0.0.1:70000",
                           "framed=127.0.0.1:1,",
                           "framed=127.0.0.1:1,order",
                           "framed=127.0.0.1:1,order=",
                           "framed=127.0.0.1:1,timeout=5",
                           "framed=127.0.0.1:1,timeout=500us",
                           "framed=127.0.0.1:1,timeout=-1s",
                           "framed=127.0.0.1:1,timeout=1s,timeout=2s",
                           "framed=127.0.0.1:1,max_request=0",
                           "framed=127.0.0.1:1,max_request=131072",
                           "framed=127.0.0.1:1,max_request=-1",
                           "framed=127.0.0.1:1,max_output=2G",
                           "framed=127.0.0.1:1,max_connections=x",
                           "framed=127.0.0.1:1,quit=",
                           "framed=127.0.0.1:1,encoding=latin1",
                           "framed=127.0.0.1:1,secret_file=ops.key",
                           "framed=127.0.0.1:1,max_output=99999999999999999999",
                           "framed=127.0.0.1:1,max_output=18014398509481984K"}) {
    EXPECT_EQ(Refusal(text).substr(0, 10 + std::string(text).size()),
              std::string("--compat ") + text + ":");
  }
}

}  // namespace
}  // namespace nacre
