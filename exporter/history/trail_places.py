"""SQL over trail logs as a configuration has them: local files, or buckets as its sources of type `s3` know them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from exporter.aws import Aws
from exporter.catalog import Watch
from exporter.config import Config
from exporter.errors import ConfigError
from exporter.history.places import Place
from exporter.history.trail_feeds import BucketFeed, FilesFeed
from exporter.history.trail_sql import TrailSql
from exporter.posture.open_ingress import OpenedIngress
from exporter.sources.files import FilesSettings
from exporter.sources.queue import reader
from exporter.sources.s3 import S3Settings
from exporter.sql.arrow import Batch
from exporter.sql.duck import DuckEngine
from exporter.sql.feed import Feed, Tally
from exporter.sql.narrow import Need

FILES, S3 = "files", "s3"
_MAX_FILE_SIZE = 256 * 2**20


class _Several:
    """Several feeds, one after the other."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = feeds

    def batches(self, need: Need, tally: Tally) -> Iterator[Batch]:
        """Yield the rows of each feed."""
        for feed in self._feeds:
            yield from feed.batches(need, tally)

    def close(self) -> None:
        """Release them all."""
        for feed in self._feeds:
            feed.close()


def files_engine(config: Config, paths: Sequence[Path] = ()) -> DuckEngine:
    """Return DuckDB over `paths`, or over those of the sources of type files; raise ConfigError where there are none."""
    limits = dict.fromkeys(paths, _MAX_FILE_SIZE) or {
        source.path: source.max_file_size for source in config.sources if isinstance(source, FilesSettings)
    }
    if not limits:
        raise ConfigError("sources: none is of type `files`, so there are no files to read; add one, or name a directory with --path")
    return DuckEngine(FilesFeed(limits), config.athena.table, config.athena.database)


def s3_engine(config: Config, aws: Aws) -> DuckEngine:
    """Return DuckDB over the buckets of the sources of type s3; raise ConfigError where none can be listed."""
    listed = [source for source in config.sources if isinstance(source, S3Settings) and source.bucket]
    if not listed:
        raise ConfigError("sources: none is of type `s3` with a `bucket`, so there is nothing to list; add it to the source, or one")
    feeds = [
        BucketFeed(
            partial(reader, aws, source.role, source.region, source.queue_url),
            source.bucket,
            source.choice,
            source.max_file_size,
            source.downloads,
            lambda: datetime.now(UTC),
        )
        for source in listed
    ]
    return DuckEngine(_Several(feeds), config.athena.table, config.athena.database)


def open_files(config: Config) -> Place:
    """Return history from the files of the sources of type files."""
    return TrailSql(FILES, files_engine(config), *_judges(config), partitioned=False)


def open_s3(config: Config, aws: Aws) -> Place:
    """Return history from the buckets of the sources of type s3."""
    return TrailSql(S3, s3_engine(config, aws), *_judges(config), partitioned=True)


def _judges(config: Config) -> tuple[Watch, OpenedIngress]:
    watch = Watch(config.watch.sets, config.watch.events)
    return watch, OpenedIngress(config.port_classes.ranges(), config.posture.internet)
