"""The keys of the web configuration file: Prometheus' own format, as its exporter-toolkit documents it.

What the format lets a person say and this server cannot do is refused, or said in `cautions`; nothing is left out in silence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from exporter.settings import Settings
from exporter.web.access.ciphers import CIPHERS, CURVES

_HASH = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
_LEAST_COST, _MOST_COST, _SLOW_COST = 4, 18, 13
"""A step doubles the time of a check: a twentieth of a second at 10, half a second at 13, and 15 seconds at 18."""
_GO_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_HEADER_VALUES = {"X-Frame-Options": ("deny", "sameorigin"), "X-Content-Type-Options": ("nosniff",)}
_HEADERS = ("Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options", "X-XSS-Protection", "Strict-Transport-Security")

NO_CERT, VERIFY_IF_GIVEN, VERIFY = "NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"
REQUEST, REQUIRE_ANY = "RequestClientCert", "RequireAnyClientCert"

ClientAuth = Literal["NoClientCert", "RequestClientCert", "RequireAnyClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"]
Version = Literal["TLS10", "TLS11", "TLS12", "TLS13"]


def _old_name(value: object) -> object:
    """Return the policy's name of today: the toolkit takes these two for it as well."""
    return {"RequireClientCert": REQUIRE_ANY, "": NO_CERT}.get(value, value) if isinstance(value, str) else value


def _cipher(name: str) -> str:
    if name not in CIPHERS:
        raise ValueError(f"unknown cipher suite {name!r:.80}; choose from {', '.join(CIPHERS)}")
    return name


def _curve(name: str) -> str:
    if name not in CURVES:
        raise ValueError(f"unknown curve {name!r:.80}; choose from {', '.join(CURVES)}")
    return name


def _no_path(value: object) -> object:
    return None if value == "" else value


File = Annotated[Path | None, BeforeValidator(_no_path)]


def _interval(value: object) -> float:
    """Return the seconds that a duration of Go spells, such as 500ms or 1m30s."""
    if value in (0, "0") and not isinstance(value, bool):
        return 0.0
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise ValueError('must be a duration such as "1s" or "100ms", or 0 for no limit')
    return sum(float(number) * _GO_UNITS[unit] for number, unit in parts)


class TlsSettings(Settings):
    """`tls_server_config`."""

    cert: str = Field(default="", description="Certificate of the server, PEM.")
    key: str = Field(default="", description="Its private key, PEM.")
    client_ca: str = Field(default="", description="Certificates that client certificates are verified by, PEM.")
    cert_file: File = Field(default=None, description="File of the certificate, chain included.")
    key_file: File = Field(default=None, description="File of the private key.")
    client_ca_file: File = Field(default=None, description="File of the certificates that client certificates are verified by.")
    client_auth_type: Annotated[ClientAuth, BeforeValidator(_old_name)] = Field(
        default="NoClientCert", description="Whether clients show a certificate."
    )
    client_allowed_sans: tuple[str, ...] | None = Field(
        default=None, description="Names of which a client certificate must have one: DNS, IP, e-mail or URI."
    )
    min_version: Version = Field(default="TLS12", description="Least version of TLS.")
    max_version: Version = Field(default="TLS13", description="Highest version of TLS.")
    cipher_suites: tuple[Annotated[str, AfterValidator(_cipher)], ...] = Field(default=(), description="Suites of TLS 1.2.")
    prefer_server_cipher_suites: bool = Field(default=True, description="Whether the server's order of suites counts.")
    curve_preferences: tuple[Annotated[str, AfterValidator(_curve)], ...] = Field(default=(), description="Curves, best first.")

    @property
    def enabled(self) -> bool:
        """Whether this asks for TLS at all; the toolkit draws the line at the same keys."""
        named = self.cert or self.key or self.client_ca or self.cert_file or self.key_file or self.client_ca_file
        return bool(named) or "client_auth_type" in self.model_fields_set

    @model_validator(mode="after")
    def _makes_sense(self) -> TlsSettings:
        if not self.enabled:
            if self.model_fields_set - {"client_auth_type"}:
                raise ValueError("names no certificate; add cert_file and key_file, or remove the section")
            return self
        for text, file in (("cert", "cert_file"), ("key", "key_file"), ("client_ca", "client_ca_file")):
            if getattr(self, text) and getattr(self, file):
                raise ValueError(f"{text} and {file} are both given; keep one")
            if text != "client_ca" and not getattr(self, text) and not getattr(self, file):
                raise ValueError(f"has neither {text} nor {file}; add one")
        has_ca = bool(self.client_ca or self.client_ca_file)
        if self.client_auth_type == REQUIRE_ANY:
            raise ValueError(
                f"client_auth_type: {REQUIRE_ANY} takes any certificate unseen, which this server cannot do: it verifies all that it "
                f"asks for; use {VERIFY} with client_ca_file"
            )
        if has_ca and self.client_auth_type == NO_CERT:
            raise ValueError(f"client_ca_file has no effect with client_auth_type: {NO_CERT}; use {VERIFY}, or remove it")
        if self.client_allowed_sans is not None and self.client_auth_type != VERIFY:
            raise ValueError(f"client_allowed_sans needs client_auth_type: {VERIFY}; otherwise a client without certificate would pass")
        if self.max_version in ("TLS10", "TLS11"):
            raise ValueError(
                f"max_version: {self.max_version} leaves nothing, because this server speaks TLS12 at least; use TLS12 or TLS13"
            )
        if self.min_version == "TLS13" and self.max_version == "TLS12":
            raise ValueError("min_version is above max_version; correct one of them")
        if self.cipher_suites and not any(CIPHERS[name] for name in self.cipher_suites) and self.max_version == "TLS12":
            raise ValueError("cipher_suites names none of TLS 1.2, and max_version is TLS12; add one, or raise max_version")
        return self

    def cautions(self) -> tuple[str, ...]:
        """Return what is not done exactly as written."""
        said = []
        if not self.enabled:
            return ()
        if self.client_auth_type == REQUEST:
            said.append(f"client_auth_type: {REQUEST} is taken as {NO_CERT}: a certificate that is not verified proves nothing")
        if self.client_auth_type in (VERIFY, VERIFY_IF_GIVEN) and not (self.client_ca or self.client_ca_file):
            said.append("client_ca_file is not given: certificates of every authority that this system trusts pass")
        if self.min_version in ("TLS10", "TLS11"):
            said.append(f"min_version: {self.min_version} is taken as TLS12, the oldest version that is spoken here")
        if any(not CIPHERS[name] for name in self.cipher_suites):
            said.append("cipher_suites: those of TLS 1.3 are all on and cannot be chosen, as in every server of Prometheus")
        return tuple(said)


class HttpSettings(Settings):
    """`http_server_config`."""

    http2: bool = Field(default=True, description="HTTP/2, which this server does not speak.")
    headers: Mapping[str, str] = Field(default_factory=dict, description="Headers of every answer.")

    @field_validator("headers")
    @classmethod
    def _known(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        for name, value in headers.items():
            if name not in _HEADERS:
                raise ValueError(f"{name!r:.80} cannot be set here; choose from {', '.join(_HEADERS)}")
            values = _HEADER_VALUES.get(name)
            if value and values and value not in values:
                raise ValueError(f"{name}: must be {' or '.join(values)}, not {value!r:.80}")
            if not re.fullmatch(r"[\t\x20-\x7e]*", value):
                raise ValueError(f"{name}: must be one line of ASCII")
        return headers

    def cautions(self) -> tuple[str, ...]:
        """Return what is not done exactly as written."""
        asked = self.http2 and "http2" in self.model_fields_set
        return ("http2: true has no effect: this server speaks HTTP/1.1, and clients agree on that",) if asked else ()


class RateSettings(Settings):
    """`rate_limit`."""

    interval: Annotated[float, BeforeValidator(_interval)] = Field(default=0.0, description="Time between two requests; 0 for no limit.")
    burst: int = Field(default=0, ge=0, le=1_000_000, description="Requests that may come at once.")

    @model_validator(mode="after")
    def _lets_some_in(self) -> RateSettings:
        if self.interval and not self.burst:
            raise ValueError("burst: 0 would refuse every request; make it 1 or more, or set interval to 0")
        return self


class WebFile(Settings):
    """The whole file."""

    tls_server_config: TlsSettings = Field(default_factory=TlsSettings, description="TLS.")
    http_server_config: HttpSettings = Field(default_factory=HttpSettings, description="HTTP.")
    basic_auth_users: Mapping[str, str] = Field(default_factory=dict, description="bcrypt hashes of passwords, by user.")
    rate_limit: RateSettings = Field(default_factory=RateSettings, description="Requests at most.")

    @field_validator("basic_auth_users")
    @classmethod
    def _hashes(cls, users: Mapping[str, str]) -> Mapping[str, str]:
        for user, hashed in users.items():
            match = _HASH.fullmatch(hashed)
            if not user or ":" in user or match is None:
                raise ValueError("not a user and a hash")  # told as a secret is
            if not _LEAST_COST <= int(match.group(1)) <= _MOST_COST:
                raise ValueError("cost out of range")
        return users

    def cautions(self) -> tuple[str, ...]:
        """Return what is not done exactly as written, or costs more than one might think."""
        slow = [user for user, hashed in self.basic_auth_users.items() if int(hashed[4:6]) >= _SLOW_COST]
        dear = (
            [f"basic_auth_users: the hashes of {', '.join(map(repr, slow))} are slow to check; a cost of 10 to 12 is usual"] if slow else []
        )
        tls = [f"tls_server_config.{text}" for text in self.tls_server_config.cautions()]
        return (*tls, *(f"http_server_config.{text}" for text in self.http_server_config.cautions()), *dear)


SECRETS = {
    "basic_auth_users": "must map names without a colon to bcrypt hashes, each as `htpasswd -nBC 10 NAME` prints it, "
    f"of a cost of {_LEAST_COST} to {_MOST_COST}, in quotes",
    "key": "must be a private key as PEM text",
}
"""Keys whose values no error shows, and what they must be."""
