# SPDX-License-Identifier: Apache-2.0
"""A client of WebSockets (RFC 6455) for scenarios, as small as it goes: frames are not split, nothing is compressed."""
import base64
import hashlib
import http.client
import os
import socket
import struct

from harness import Client, check

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The answer was no 101; it has `status` and `body`."""

    def __init__(self, status, body):
        super().__init__(f"{status} {body[:300]}")
        self.status, self.body = status, body


class WebSocket:
    """Asks for one as the administrator (anonymous=True: as nobody), with these subprotocols."""

    def __init__(self, platform, path, protocols=(), anonymous=False):
        self.connection = http.client.HTTPSConnection("127.0.0.1", platform.port, timeout=30,
                                                      context=Client(platform, anonymous=anonymous).context)
        key = base64.b64encode(os.urandom(16)).decode()
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
        if protocols:
            headers["Sec-WebSocket-Protocol"] = ", ".join(protocols)
        self.connection.request("GET", path, headers=headers)
        self.socket = self.connection.sock
        answer = self.connection.getresponse()
        if answer.status != 101:
            raise Refused(answer.status, answer.read())
        accept = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        check(answer.headers["Sec-WebSocket-Accept"] == base64.b64encode(accept).decode(), "the wrong Sec-WebSocket-Accept")
        self.protocol = answer.headers["Sec-WebSocket-Protocol"]
        self.file = answer.fp  # may have read ahead
        self.closed = None     # the code with which the server did it

    def send(self, data, kind=None):
        kind = kind or (TEXT if isinstance(data, str) else BINARY)
        data = data.encode() if isinstance(data, str) else data
        size = bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack("!BH", 0x80 | 126, len(data)) \
            if len(data) < 65536 else struct.pack("!BQ", 0x80 | 127, len(data))
        mask = os.urandom(4)
        masked = bytes(b ^ mask[i & 3] for i, b in enumerate(data))
        self.socket.sendall(bytes([0x80 | kind]) + size + mask + masked)

    def read(self, n):
        data = self.file.read(n)
        if len(data) < n:
            raise EOFError("the connection was cut")
        return data

    def frame(self):
        kind, size = self.read(2)
        check(not size & 0x80, "a server's frame is masked")
        if size == 126:
            size, = struct.unpack("!H", self.read(2))
        elif size == 127:
            size, = struct.unpack("!Q", self.read(8))
        return kind & 0x0f, self.read(size)

    def receive(self):
        """The next message: str or bytes; None when the server has closed."""
        while True:
            kind, data = self.frame()
            if kind == TEXT:
                return data.decode()
            if kind == BINARY:
                return data
            if kind == PING:
                self.send(data, PONG)
            if kind == CLOSE:
                self.closed = struct.unpack("!H", data[:2])[0] if data else 0
                return None

    def messages(self):
        return iter(self.receive, None)

    def channels(self):
        """What comes until the server closes, joined for each channel. Of messages: the first byte says which."""
        got = {}
        for message in self.messages():
            number = ord(message[0]) - ord("0") if isinstance(message, str) else message[0]
            data = base64.b64decode(message[1:]) if isinstance(message, str) else message[1:]
            got[number] = got.get(number, b"") + data
        return got

    def close(self):
        """In order: waits for the server's answer."""
        self.send(struct.pack("!H", 1000), CLOSE)
        for _ in self.messages():
            pass
        self.cut()

    def cut(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.connection.close()
