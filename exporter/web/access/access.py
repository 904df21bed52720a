"""The web configuration in force, and how a new one takes its place while the exporter runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from exporter.errors import ConfigError
from exporter.logs import Logger
from exporter.web.access.file import Rules, Stamp, load_rules, stamp
from exporter.web.access.settings import WebFile
from exporter.web.access.tls import Tls
from exporter.web.headers import SECURITY_HEADERS, Headers, joined

_OPEN = Rules(WebFile(), None, ())


class Access:
    """Holds what the web configuration file says; without a file nobody logs in and nothing is encrypted.

    A file that cannot be read again leaves the old one in force.
    """

    def __init__(self, file: Path | None, log: Logger) -> None:
        """Read the file; raises ConfigError where it is wrong, because without it all would stand open."""
        self._file, self._log = file, log
        self._loaded: Callable[[bool], None] = lambda _succeeded: None
        self._lock = threading.Lock()
        self._seen: dict[Path, Stamp] = {}
        self._rules = _OPEN if file is None else load_rules(file, self._seen)
        self._caution(self._rules)

    def tell(self, loaded: Callable[[bool], None]) -> None:
        """Tell of each attempt to read the file whether it succeeded, the one at the start included."""
        if self._file is not None:
            self._loaded = loaded
            loaded(True)

    @property
    def rules(self) -> Rules:
        """What is in force now."""
        return self._rules

    @property
    def has_users(self) -> bool:
        """Whether people log in."""
        return bool(self._rules.settings.basic_auth_users)

    def tls(self) -> Tls | None:
        """Return what new connections are encrypted by, None for plain HTTP."""
        return self._rules.tls

    def headers(self) -> Headers:
        """Return the headers of every answer."""
        configured = self._rules.settings.http_server_config.headers
        return joined(SECURITY_HEADERS, ((name, value) for name, value in configured.items() if value))

    def reload(self) -> bool:
        """Read the file and the certificates again and say whether they are in force; True where there is no file."""
        if self._file is None:
            return True
        with self._lock:
            self._seen = {}
            try:
                rules = load_rules(self._file, self._seen)
                if (rules.tls is None) != (self._rules.tls is None):
                    raise ConfigError(f"{self._file}: tls_server_config: cannot come or go while the exporter runs; restart it")
            except ConfigError as error:
                self._loaded(False)
                self._log.error("web configuration not reloaded; the old one stays in force", error=str(error))
                return False
            if rules.cautions != self._rules.cautions:
                self._caution(rules)
            self._rules = rules
            self._loaded(True)
            self._log.info("web configuration reloaded", file=str(self._file))
            return True

    def look(self) -> None:
        """Read again if one of the files has changed; costs a few calls of stat where none has."""
        with self._lock:
            changed = any(stamp(file) != before for file, before in self._seen.items())
        if changed:
            self.reload()

    def _caution(self, rules: Rules) -> None:
        for text in rules.cautions:
            self._log.warning("the web configuration is not followed to the letter", file=str(self._file), why=text)
