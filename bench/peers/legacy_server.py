"""A plain Python server of the kind that the framed dialect comes from: a thread per client, a shell per command.

Listens on a free loopback port and prints it. A request is a command, or a length and a command; the reply is the
length of what follows, then standard output, then standard error.
"""

import socketserver
import struct
import subprocess


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        while request := self.request.recv(1024):
            # A command holds no NUL; the length of one that fits into a recv() always does.
            command = request[4:] if 0 in request[:4] else request
            done = subprocess.run(command.decode(), shell=True, capture_output=True)
            size = len(done.stdout) + len(done.stderr)
            self.request.sendall(struct.pack("i", size) + done.stdout + done.stderr)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128


with Server(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
