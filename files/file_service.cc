#include "files/file_service.h"

#include <errno.h>
#include <sys/stat.h>

#include <utility>

#include "files/entry.h"
#include "files/operations.h"
#include "files/path.h"

namespace nacre::files {

Answer FileService::Handle(const v1::Request& request) {
  Answer answer;
  const Outcome outcome = Dispatch(request, &answer);
  answer.reply.set_id(request.id());
  answer.reply.set_error(static_cast<uint32_t>(outcome.error));
  answer.reply.set_failure(outcome.failure);
  return answer;
}

Outcome FileService::Dispatch(const v1::Request& request, Answer* answer) {
  v1::Reply* reply = &answer->reply;
  switch (request.operation_case()) {
    case v1::Request::kStat:
      return Stat(request.stat(), reply);
    case v1::Request::kList:
      return List(request.list(), reply);
    case v1::Request::kOpenRead:
      return OpenRead(request.open_read(), reply, &answer->fd);
    case v1::Request::kOpenWrite:
      return OpenWrite(request.open_write(), answer);
    case v1::Request::kCommit:
      return Commit(request.commit(), reply);
    case v1::Request::kDiscard:
      uploads_.Discard(request.discard().upload(), request.discard().keep());
      return {};
    case v1::Request::kMakeDirectory:
      return MakeDirectory(request.make_directory(), reply);
    case v1::Request::kMakeSymlink:
      return MakeSymlink(request.make_symlink(), reply);
    case v1::Request::kMove:
      return Move(request.move());
    case v1::Request::kRemove:
      return RemoveFile(request.remove(), reply);
    case v1::Request::kSetAttributes:
      return SetAttributes(request.set_attributes(), reply);
    case v1::Request::kWatch:
      return Watch(request.watch(), &answer->fd);
    case v1::Request::kFindUpload:
      return FindUpload(request.find_upload(), reply);
    case v1::Request::OPERATION_NOT_SET:
      break;
  }
  return BadRequest();
}

Outcome FileService::OpenWrite(const v1::OpenWrite& request, Answer* answer) {
  Result<Place> place = LocatePath(request.path());
  if (!place.ok()) return place.outcome();
  if (place->slash) return Errno(EISDIR);
  Result<v1::Entry> existing = DescribeAt(place->directory.get(), place->name);
  if (existing.ok()) {
    if (request.must_not_exist()) return Errno(EEXIST);
    if (const Outcome bad = CheckReplaceable(existing->mode()); !bad.ok()) return bad;
  } else if (existing.outcome().error != ENOENT) {
    return existing.outcome();
  }
  OpenedUpload opened;
  const Outcome outcome = uploads_.Open(*std::move(place), request, &opened);
  answer->reply.set_size(opened.size);
  if (!outcome.ok()) return outcome;
  answer->reply.set_upload(opened.number);
  if (existing.ok() && S_ISREG(existing->mode())) {
    *answer->reply.mutable_entry() = *std::move(existing);
  }
  answer->fd = std::move(opened.fd);
  return {};
}

Outcome FileService::Commit(const v1::Commit& request, v1::Reply* reply) {
  Result<v1::Entry> entry = uploads_.Commit(request);
  if (!entry.ok()) return entry.outcome();
  *reply->mutable_entry() = *std::move(entry);
  return {};
}

}  // namespace nacre::files
