"""A stand-in for S3 and SQS in a process of its own: a directory as the bucket `trail`, and one queue that tells of its files.

`POST /-/fill` puts a message for each file into the queue, `GET /-/left` answers how many are not deleted yet. Every answer waits as
long as AWS would (`latency`), which costs no CPU. A message that was received stays hidden until it is deleted or given back: no reader
dies here, so that the clock need not bring any again.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote

QUEUE = "/111122223333/trail-files"


class Queue:
    """Messages, each visible, hidden or gone. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._visible: deque[tuple[str, str]] = deque()
        self._hidden: dict[str, str] = {}

    def fill(self, bodies: list[str]) -> None:
        """Put messages in."""
        with self._changed:
            start = len(self._visible) + len(self._hidden)
            self._visible.extend((f"{start + number}", body) for number, body in enumerate(bodies))
            self._changed.notify_all()

    def left(self) -> int:
        """Return how many are not deleted."""
        with self._changed:
            return len(self._visible) + len(self._hidden)

    def receive(self, most: int, seconds: float) -> list[tuple[str, str]]:
        """Return up to so many, waiting for the first."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._visible), timeout=seconds)
            taken = [self._visible.popleft() for _ in range(min(most, len(self._visible)))]
            self._hidden.update(taken)
            return taken

    def delete(self, receipts: list[str]) -> None:
        """Forget messages."""
        with self._changed:
            for receipt in receipts:
                self._hidden.pop(receipt, None)

    def give_back(self, receipts: list[str]) -> None:
        """Show messages again."""
        with self._changed:
            self._visible.extend((receipt, self._hidden.pop(receipt)) for receipt in receipts if receipt in self._hidden)
            self._changed.notify_all()


def ask(queue: Queue, action: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one call of SQS."""
    if action == "ReceiveMessage":
        taken = queue.receive(asked["MaxNumberOfMessages"], asked["WaitTimeSeconds"])
        given = [
            {"MessageId": receipt, "ReceiptHandle": receipt, "Body": body, "Attributes": {"ApproximateReceiveCount": "1"}}
            for receipt, body in taken
        ]
        return {"Messages": given} if given else {}
    entries = asked["Entries"]
    if action == "DeleteMessageBatch":
        queue.delete([entry["ReceiptHandle"] for entry in entries])
    else:
        assert action == "ChangeMessageVisibilityBatch", action
        queue.give_back([entry["ReceiptHandle"] for entry in entries if not entry["VisibilityTimeout"]])
    return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}


def told(key: str) -> str:
    """Return the notification of S3 for a file."""
    named = {"bucket": {"name": "trail"}, "object": {"key": quote_plus(key, safe="/")}}
    return json.dumps({"Records": [{"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": named}]})


def serve(directory: Path, latency: float) -> None:
    """Print the port on a line, and serve for ever."""
    objects = {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*.json.gz"))}
    queue = Queue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            if self.path == "/-/left":
                self._answer(str(queue.left()).encode())
                return
            time.sleep(latency)
            self._answer(objects[unquote(self.path).removeprefix("/trail/")])

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/-/fill":
                queue.fill([told(key) for key in objects])
                self._answer(b"{}")
                return
            time.sleep(latency)
            action = self.headers["X-Amz-Target"].removeprefix("AmazonSQS.")
            self._answer(json.dumps(ask(queue, action, json.loads(body))).encode())

        def _answer(self, body: bytes) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n" % len(body))
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, _request: object, _client: object) -> None:
            """Say nothing: a reader that was killed took its connection with it."""

    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), float(sys.argv[2]))
