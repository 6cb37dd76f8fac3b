// The files of a node through the library.
#include "nacre/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "client/file_hash.h"
#include "tests/client/fake_files.h"

namespace nacre::client {
namespace {

class StringSource : public UploadSource {
 public:
  explicit StringSource(std::string bytes) : bytes_(std::move(bytes)) {}

  absl::Status Read(uint64_t offset, size_t most, std::string* data, uint64_t* /*hole*/) override {
    *data = offset < bytes_.size() ? bytes_.substr(offset, most) : "";
    return absl::OkStatus();
  }

 private:
  const std::string bytes_;
};

class FilesTest : public testing::Test {
 protected:
  explicit FilesTest(absl::Duration resume_for = absl::Seconds(60))
      : client_(*Client::Connect({.target = node_.target(), .resume_for = resume_for})),
        files_(*client_) {}

  std::string Real(const std::string& name) const { return node_.directory() + "/" + name; }

  void Put(const std::string& name, const std::string& content) const {
    std::ofstream(Real(name), std::ios::binary) << content;
  }

  std::string Get(const std::string& name) const {
    std::ifstream file(Real(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static std::string Bytes(size_t size) {
    std::string bytes(size, '\0');
    uint32_t state = 1;
    for (char& byte : bytes) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    return bytes;
  }

  absl::StatusOr<std::string> ReadAll(const std::string& path, const ReadOptions& options = {}) {
    auto reader = files_.Read(path, options);
    if (!reader.ok()) return reader.status();
    std::string content;
    for (;;) {
      const auto chunk = (*reader)->Next();
      if (!chunk.ok()) return chunk.status();
      if (chunk->end()) break;
      content.append(chunk->data).append(chunk->hole, '\0');
    }
    summary_ = (*reader)->summary();
    return content;
  }

  FakeFiles node_;
  std::unique_ptr<Client> client_;
  Files files_;
  ReadSummary summary_;
};

std::string HashOf(std::string_view bytes) {
  FileHash hash;
  hash.Add(bytes);
  return hash.Canonical();
}

TEST_F(FilesTest, StatTellsEverythingAndListsComeByThePage) {
  Put("f", "abc");
  Put("g", "");
  const auto file = files_.Stat("f");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->name, "f");
  EXPECT_EQ(file->type, FileType::kRegular);
  EXPECT_EQ(file->size, 3U);
  EXPECT_FALSE(file->version.empty());
  std::vector<std::string> names;
  std::string token;
  do {
    const auto page = files_.List(".", token, 1);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const FileInfo& entry : page->entries) names.push_back(entry.name);
    token = page->next_page_token;
  } while (!token.empty());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"f", "g"}));
  EXPECT_EQ(ErrorReason(files_.Stat("none").status()), "FILE_NOT_FOUND");
}

TEST_F(FilesTest, PathsThatAreNotUtf8TravelAsBytes) {
  Put("\xFF", "x");
  const auto file = files_.Stat("\xFF");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->name, "\xFF");
}

TEST_F(FilesTest, ARunAsUserThatIsNotUtf8IsRefusedHere) {
  const Files files(*client_, {.run_as = "\xFF"});
  EXPECT_TRUE(absl::IsInvalidArgument(files.Stat(".").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(files.Read(".").status()));
}

TEST_F(FilesTest, ReadingIsProvenAndGoesOnAfterALoss) {
  const std::string content = Bytes(1 << 20);
  Put("f", content);
  node_.faults.lose_read_after = 300'000;
  const auto read = ReadAll("f");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(*read == content);
  EXPECT_EQ(node_.read_calls, 2);
  EXPECT_EQ(summary_.bytes, content.size());
  EXPECT_EQ(summary_.xxh3_128, HashOf(content));
  EXPECT_EQ(*ReadAll("f", {.offset = 10, .length = 5}), content.substr(10, 5));
}

TEST_F(FilesTest, AFileThatChangesWhileWeAreAwayIsNotGoneOnWith) {
  Put("f", Bytes(1 << 20));
  node_.faults.lose_read_after = 1;
  auto reader = files_.Read("f");
  ASSERT_TRUE(reader.ok());
  ASSERT_TRUE((*reader)->Next().ok());
  Put("f", "another");
  absl::StatusOr<FileChunk> chunk;
  do {
    chunk = (*reader)->Next();
  } while (chunk.ok() && !chunk->end());
  EXPECT_EQ(ErrorReason(chunk.status()), "FILE_CHANGED") << chunk.status();
}

TEST_F(FilesTest, AWrongChecksumIsALoss) {
  Put("f", "abc");
  node_.faults.wrong_checksum = true;
  EXPECT_TRUE(absl::IsDataLoss(ReadAll("f").status()));
}

TEST_F(FilesTest, HolesComeAsHoles) {
  Put("f", "");
  ASSERT_EQ(truncate(Real("f").c_str(), 1 << 20), 0);
  const auto reader = files_.Read("f", {.accept_holes = true});
  ASSERT_TRUE(reader.ok());
  const auto chunk = (*reader)->Next();
  ASSERT_TRUE(chunk.ok()) << chunk.status();
  EXPECT_EQ(chunk->hole, 1U << 20);
  EXPECT_TRUE((*reader)->Next()->end());
}

TEST_F(FilesTest, AVastHoleComesInPieces) {
  constexpr uint64_t kPiece = 1 << 30;
  Put("f", "");
  ASSERT_EQ(truncate(Real("f").c_str(), static_cast<off_t>(2 * kPiece + 5)), 0);
  const auto reader = files_.Read("f", {.accept_holes = true});
  ASSERT_TRUE(reader.ok());
  for (const uint64_t size : {kPiece, kPiece, uint64_t{5}}) {
    const auto chunk = (*reader)->Next();
    ASSERT_TRUE(chunk.ok()) << chunk.status();
    EXPECT_EQ(chunk->hole, size);
  }
  EXPECT_TRUE((*reader)->Next()->end());
  EXPECT_EQ((*reader)->summary().bytes, 2 * kPiece + 5);
}

TEST_F(FilesTest, ANodeThatHasAnsweredIsWaitedFor) {
  Put("f", "abc");
  ASSERT_TRUE(files_.Stat("f").ok());
  std::thread restart([this] { node_.Restart(absl::Seconds(1)); });
  absl::SleepFor(absl::Milliseconds(300));
  const auto file = files_.Stat("f");
  EXPECT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(*ReadAll("f"), "abc");
  restart.join();
}

TEST_F(FilesTest, ASmallFileIsOneMessage) {
  const auto writer = files_.Write("f", {.mode = 0640});
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE((*writer)->Write("ab").ok());
  EXPECT_TRUE((*writer)->Write("c").ok());
  const auto file = (*writer)->Finish();
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size, 3U);
  EXPECT_EQ(file->mode, 0640U);
  EXPECT_EQ(node_.write_messages, 1);
  StringSource source("abcd");
  EXPECT_TRUE(files_.Upload("g", {}, source).ok());
  EXPECT_EQ(node_.write_messages, 2);
  StringSource empty("");
  EXPECT_TRUE(files_.Upload("h", {}, empty).ok());
  EXPECT_EQ(Get("f") + Get("g") + Get("h"), "abcabcd");
}

TEST_F(FilesTest, AWriterTakesAnyNumberOfBytesAndHoles) {
  const std::string content = Bytes(700'000);
  const auto writer = files_.Write("f");
  ASSERT_TRUE(writer.ok());
  EXPECT_TRUE((*writer)->Write(content).ok());
  EXPECT_TRUE((*writer)->Hole(100'000).ok());
  EXPECT_TRUE((*writer)->Write("end").ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_TRUE(Get("f") == content + std::string(100'000, '\0') + "end");
}

TEST_F(FilesTest, AnUnfinishedWriterLeavesTheOldFile) {
  Put("f", "old");
  {
    const auto writer = files_.Write("f");
    ASSERT_TRUE(writer.ok());
    EXPECT_TRUE((*writer)->Write(Bytes(1 << 20)).ok());
  }
  EXPECT_EQ(Get("f"), "old");
}

TEST_F(FilesTest, AnUploadGoesOnWhereTheNodeHasGotTo) {
  const std::string content = Bytes(4 << 20);
  node_.faults.lose_write_after = 2 << 20;
  StringSource source(content);
  UploadOptions options;
  options.resume_id = "id";
  const auto result = files_.Upload("f", options, source);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->xxh3_128, HashOf(content));
  EXPECT_TRUE(Get("f") == content);
  EXPECT_EQ(node_.bytes_written, content.size());
}

TEST_F(FilesTest, AnUploadWithoutAnIdBeginsAnewAfterALoss) {
  const std::string content = Bytes(2 << 20);
  node_.faults.lose_write_after = 1 << 20;
  StringSource source(content);
  ASSERT_TRUE(files_.Upload("f", {}, source).ok());
  EXPECT_TRUE(Get("f") == content);
  EXPECT_GT(node_.bytes_written, content.size());
}

class ImpatientFilesTest : public FilesTest {
 protected:
  ImpatientFilesTest() : FilesTest(absl::ZeroDuration()) {}
};

TEST_F(ImpatientFilesTest, ALaterUploadGoesOnWithAnEarlierOne) {
  const std::string content = Bytes(4 << 20);
  node_.faults.lose_write_after = 1 << 20;
  StringSource source(content);
  UploadOptions options;
  options.resume_id = "id";
  EXPECT_TRUE(absl::IsUnavailable(files_.Upload("f", options, source).status()));
  const auto kept = files_.GetUpload("f", "id");
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_GE(*kept, 1U << 20);
  options.resume = true;
  const auto result = files_.Upload("f", options, source);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->xxh3_128, HashOf(content));
  EXPECT_TRUE(Get("f") == content);
  EXPECT_EQ(node_.bytes_written, content.size());
  EXPECT_EQ(ErrorReason(files_.GetUpload("f", "id").status()), "UPLOAD_NOT_FOUND");
}

TEST_F(FilesTest, WhatWasDoneThoughItsAnswerWasLostIsSuccess) {
  Put("a", "x");
  node_.faults.lose_answers = 1;
  EXPECT_TRUE(files_.Move("a", "b").ok());
  node_.faults.lose_answers = 1;
  EXPECT_TRUE(files_.Remove("b").ok());
  node_.faults.lose_answers = 1;
  EXPECT_TRUE(files_.MakeDirectory("d").ok());
  node_.faults.lose_answers = 1;
  EXPECT_TRUE(files_.MakeSymlink("l", "d").ok());
  node_.faults.lose_answers = 1;
  StringSource source("abc");
  UploadOptions options;
  options.must_not_exist = true;
  EXPECT_TRUE(files_.Upload("f", options, source).ok());
  EXPECT_EQ(node_.faults.lose_answers, 0);
}

TEST_F(FilesTest, WhatWasNotThereIsAnErrorAllTheSame) {
  EXPECT_TRUE(absl::IsNotFound(files_.Remove("none").status()));
  EXPECT_TRUE(absl::IsNotFound(files_.Move("none", "b")));
  EXPECT_TRUE(files_.MakeDirectory("d").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(files_.MakeDirectory("d").status()));
}

TEST_F(FilesTest, AWatchThatWasLostSaysThatEventsMayBeMissing) {
  node_.faults.watch_losses = 1;
  const auto watch = files_.Watch(".");
  ASSERT_TRUE(watch.ok());
  EXPECT_TRUE(std::holds_alternative<Watching>(*(*watch)->Next()));
  EXPECT_EQ(std::get<FileEvent>(*(*watch)->Next()).name, "new\n");
  EXPECT_TRUE(std::holds_alternative<WatchOverflow>(*(*watch)->Next()));
  EXPECT_TRUE(std::holds_alternative<FileEvent>(*(*watch)->Next()));
  EXPECT_EQ(ErrorReason((*watch)->Next().status()), "WATCH_ENDED");
}

}  // namespace
}  // namespace nacre::client
