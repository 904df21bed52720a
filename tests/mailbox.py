"""A mail server that takes every message and delivers none."""

from __future__ import annotations

import socketserver
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage


class Mailbox:
    """Listens on the loopback address and keeps what it is sent."""

    def __init__(self) -> None:
        self._messages: list[EmailMessage] = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._answer("220 mailbox.example.com")
                while line := self.rfile.readline():
                    command = line[:4].upper().strip()
                    if command == b"DATA":
                        self._answer("354 go on")
                        outer._messages.append(message_from_bytes(self._data(), policy=policy.default))
                    self._answer("221 bye" if command == b"QUIT" else "250 ok")

            def _answer(self, text: str) -> None:
                self.wfile.write(f"{text}\r\n".encode())

            def _data(self) -> bytes:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line[1:] if line.startswith(b"..") else line)
                return b"".join(lines)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        host, port = self._server.server_address[:2]
        self.address = f"{host!s}:{port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def messages(self) -> list[EmailMessage]:
        """Return what came so far."""
        return list(self._messages)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
