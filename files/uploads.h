#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "base/unique_fd.h"
#include "files/entry.h"
#include "files/outcome.h"
#include "files/path.h"
#include "nacre/files/v1/files.pb.h"

namespace nacre::files {

// Uploads that are open at a time.
inline constexpr size_t kMaxUploads = 256;

// What an OpenWrite has come to.
struct OpenedUpload {
  // Greater than 0.
  uint64_t number = 0;
  // Bytes that were there, before they were cut to `offset`.
  uint64_t size = 0;
  // For the front: the same open file.
  UniqueFd fd;
};

// The uploads that a front writes: temporary files beside what they will be, and their way to that
// name. Not thread-safe.
//
//            no resume_id                                 resume_id
//   Open     O_TMPFILE, without a name; where the file    .nacre-upload-ID-HASH, locked by flock
//            system can't: .nacre-upload-RANDOM
//   Commit   link to RANDOM (or at once to the target,    rename to RANDOM, see that it is ours
//            if nothing may be replaced), rename          still, rename
//   Discard  close; RANDOM is removed                     kept, or removed if it is ours still
//   the end  the same                                     kept
//
// An upload with a resume_id can be taken over, while the one who has it still writes: by this
// helper, or by that of another front. The lock tells, as it lives as long as any descriptor of
// that open file, the front's too. What is locked is never written to by another: who takes over
// puts a copy in its place. So the name tells whose the upload is: Commit and Discard look whether
// it is their file that has it.
class Uploads {
 public:
  // `unnamed`: whether to make files without a name where that can be done; tests do without.
  explicit Uploads(bool unnamed = true) : unnamed_(unnamed) {}
  // Removes what nobody can resume.
  ~Uploads();
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;

  // Begins an upload of `place`, which has been looked at. ERANGE with `size` set: `offset` is
  // beyond what has come, nothing is changed. FAILURE_UPLOAD with EPERM: something else has the
  // name of the upload. FAILURE_TOO_MANY.
  Outcome Open(Place place, const v1::OpenWrite& request, OpenedUpload* opened);

  // How much has come of an upload, open or not. FAILURE_UPLOAD: there is none (ENOENT), or
  // something else has its name (EPERM).
  static Result<uint64_t> Find(const Place& place, const std::string& resume_id);

  // Gives it the target's name in one step, and tells what it is then. FAILURE_UPLOAD: no such
  // upload, or it was taken over (ESTALE); it is closed then. After any other error it is open
  // still.
  Result<v1::Entry> Commit(const v1::Commit& request);

  // No error if there is none.
  void Discard(uint64_t number, bool keep);

  size_t size() const { return uploads_.size(); }

 private:
  struct Upload {
    UniqueFd fd;
    Place place;
    FileId id;
    // Its own, beside the target. Empty: none yet.
    std::string temp;
    bool resumable = false;
    bool must_not_exist = false;
  };

  Outcome OpenNew(Upload* upload);
  Outcome OpenResumable(uint64_t offset, Upload* upload, uint64_t* size);
  Outcome TryResumable(uint64_t offset, Upload* upload, uint64_t* size, bool* again);
  Outcome Begin(Upload* upload, bool* again);
  Outcome TakeOver(int from, uint64_t offset, Upload* upload);
  void Forget(const FileId& id);
  static Outcome GiveName(Upload& upload);
  static Outcome RenameToTarget(const Upload& upload, const std::string& from);
  static Outcome Claim(Upload& upload, std::string* claimed);
  static void Drop(Upload& upload, bool keep);

  const bool unnamed_;
  std::map<uint64_t, Upload> uploads_;
  uint64_t next_ = 1;
};

}  // namespace nacre::files
