"""Forgets every session of a node."""

import grpc

from support import shell_pb2


def delete_all(caller):
    """How many there were. Fails when some are left."""
    deleted = 0
    while sessions := caller.call("ListSessions", shell_pb2.ListSessionsRequest(page_size=1000))[0].sessions:
        before = deleted
        for session in sessions:
            try:
                caller.delete(session.id, force=True)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.NOT_FOUND:  # its time was over
                    raise
            else:
                deleted += 1
        if deleted == before:
            caller.findings.complain("errors", "node", f"sessions that can't be deleted: {sessions[:3]}")
            break
    return deleted
