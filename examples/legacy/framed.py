#!/usr/bin/python3
"""An old client of the length-prefixed protocol: sends one command, prints its output.

Usage: framed.py [--raw] HOST:PORT COMMAND
  --raw   send the command as plain text, without a length before it
"""

import socket
import struct
import sys


def receive(connection, size):
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(min(size - len(data), 65536))
        if not piece:
            sys.exit("framed.py: the server closed the connection")
        data += piece
    return bytes(data)


def main(arguments):
    if arguments and arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        return
    raw = arguments[:1] == ["--raw"]
    if len(arguments) != 2 + raw:
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(2)
    address, command = arguments[raw], arguments[raw + 1].encode()
    host, _, port = address.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port))) as connection:
        connection.sendall(command if raw else struct.pack("i", len(command)) + command)
        (size,) = struct.unpack("i", receive(connection, 4))
        sys.stdout.buffer.write(receive(connection, size))


if __name__ == "__main__":
    main(sys.argv[1:])
