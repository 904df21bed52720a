"""A stand-in for S3 in a process of its own: serves a directory as the bucket `trail`, and buckets `many-<n>` of n equal files."""

from __future__ import annotations

import gzip
import json
import sys
from bisect import bisect_right
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

ACCOUNT, REGION = "111122223333", "us-east-1"
FOLDER = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/"
_PAGE = 1000
_QUIET_RECORDS = 15


class Bucket:
    """The sorted keys of a bucket and what each holds."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        files = sorted(directory.rglob("*.json.gz"))
        self.same = b""
        if name.startswith("many-"):
            self.same = _quiet(files[0])
            count = int(name.removeprefix("many-"))
            self.keys = [
                f"{FOLDER}2026/01/31/{ACCOUNT}_CloudTrail_{REGION}_20260131T{n // 60 % 24:02}{n % 60:02}Z_{n:016}.json.gz"
                for n in range(count)
            ]
        else:
            self.keys = [str(path.relative_to(directory)) for path in files]
        self.keys.sort()

    def read(self, key: str) -> bytes:
        """Return what a key holds."""
        return self.same or (self._directory / key).read_bytes()

    def page(self, prefix: str, after: str, delimiter: str) -> str:
        """Return a page of ListObjectsV2 as S3 writes it."""
        entries: list[str] = []
        prefixes: dict[str, None] = {}
        for key in self.keys[bisect_right(self.keys, max(after, prefix)) :]:
            if not key.startswith(prefix):
                break
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                prefixes[prefix + rest.split(delimiter)[0] + delimiter] = None
                continue
            if len(entries) == _PAGE:
                return _page(entries, prefixes, key_of(entries[-1]))
            entries.append(key)
        return _page(entries, prefixes, "")


def _quiet(path: Path) -> bytes:
    """Return a file of a quiet account: a few records of another file."""
    records = json.loads(gzip.decompress(path.read_bytes()))["Records"][:_QUIET_RECORDS]
    return gzip.compress(json.dumps({"Records": records}, separators=(",", ":")).encode(), mtime=0)


def key_of(entry: str) -> str:
    """Return a key as a token of the next page."""
    return quote(entry, safe="")


def _page(keys: list[str], prefixes: dict[str, None], token: str) -> str:
    contents = "".join(
        f"<Contents><Key>{quote(key)}</Key><LastModified>2026-01-31T12:00:00.000Z</LastModified><ETag>&quot;{'0' * 32}&quot;</ETag>"
        "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><Size>4242</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key in keys
    )
    common = "".join(f"<CommonPrefixes><Prefix>{quote(name)}</Prefix></CommonPrefixes>" for name in prefixes)
    more = (
        f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
        if token
        else "<IsTruncated>false</IsTruncated>"
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix>'
        f"<EncodingType>url</EncodingType><KeyCount>{len(keys)}</KeyCount><MaxKeys>{_PAGE}</MaxKeys>{more}{contents}{common}</ListBucketResult>"
    )


def serve(directory: Path) -> None:
    """Print the port on a line, and serve for ever."""
    bucket = lru_cache(maxsize=8)(lambda name: Bucket(directory, name))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            name, _, key = unquote(parts.path).lstrip("/").partition("/")
            if key:
                body = bucket(name).read(key)
            else:
                asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
                after = unquote(asked.get("continuation-token", "")) or asked.get("start-after", "")
                body = bucket(name).page(asked.get("prefix", ""), after, asked.get("delimiter", "")).encode()
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
