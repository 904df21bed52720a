"""TLS as the file wants it: an SSLContext, and which client certificates pass."""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporter.errors import ConfigError
from exporter.web.access.ciphers import CIPHERS, CURVES
from exporter.web.access.settings import VERIFY, VERIFY_IF_GIVEN, TlsSettings

_PREFIX = "tls_server_config"
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Tls:
    """What one connection is spoken to by; a connection keeps it, whatever is loaded later."""

    context: ssl.SSLContext
    allowed_sans: frozenset[str] | None = None
    cautions: tuple[str, ...] = field(default=())

    def admits(self, certificate: Mapping[str, Any] | None) -> bool:
        """Say whether the certificate of a client, as `getpeercert` returns it, has a name that is allowed."""
        return self.allowed_sans is None or not self.allowed_sans.isdisjoint(alternative_names(certificate or {}))


def alternative_names(certificate: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of a certificate that may be allowed, spelled as Go spells them."""
    for kind, value in certificate.get("subjectAltName", ()):
        if kind in ("DNS", "email", "URI"):
            yield value
        elif kind == "IP Address":
            address = ipaddress.ip_address(value.strip())
            mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
            yield str(mapped or address)


def make_tls(settings: TlsSettings, where: str, read: Callable[[Path], bytes]) -> Tls:
    """Return TLS as the settings want it; `read` reads a file by its path as written. Raises ConfigError, never with a secret in it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS.get(settings.min_version, ssl.TLSVersion.TLSv1_2)
    context.maximum_version = _VERSIONS[settings.max_version]
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if not settings.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    said = _choose(context, settings, where)
    _load_pair(context, settings, where, read)
    if settings.client_auth_type in (VERIFY, VERIFY_IF_GIVEN):
        _verify_clients(context, settings, where, read)
    allowed = settings.client_allowed_sans
    return Tls(context, None if allowed is None else frozenset(allowed), said)


def _choose(context: ssl.SSLContext, settings: TlsSettings, where: str) -> tuple[str, ...]:
    """Set suites and curves; return what cannot be done exactly as written."""
    if settings.cipher_suites:
        named = [CIPHERS[name] for name in settings.cipher_suites if CIPHERS[name]]
        if named:
            try:
                context.set_ciphers(":".join(named))
            except ssl.SSLError:
                raise ConfigError(f"{where}: {_PREFIX}.cipher_suites: OpenSSL has none of these here; name others, or none") from None
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
    curves = [CURVES[name] for name in settings.curve_preferences]
    try:
        if len(curves) > 1 and hasattr(context, "set_groups"):  # from Python 3.15 on
            context.set_groups(":".join(curves))
        elif curves:
            context.set_ecdh_curve(curves[0])
    except (ssl.SSLError, ValueError):
        raise ConfigError(f"{where}: {_PREFIX}.curve_preferences: OpenSSL refuses {', '.join(curves)} here; name others, or none") from None
    if len(curves) > 1 and not hasattr(context, "set_groups"):
        only = settings.curve_preferences[0]
        return (f"{_PREFIX}.curve_preferences: only {only} is used, because this Python can choose one curve and no more",)
    return ()


def _load_pair(context: ssl.SSLContext, settings: TlsSettings, where: str, read: Callable[[Path], bytes]) -> None:
    def refuse_password() -> str:
        raise ConfigError(f"{where}: {_PREFIX}.key_file: the private key is encrypted; store it without a passphrase")

    certificate = _content(settings.cert, settings.cert_file, "cert_file", where, read)
    key = _content(settings.key, settings.key_file, "key_file", where, read)
    with ExitStack() as stack:
        cert_path, key_path = stack.enter_context(_as_file(certificate)), stack.enter_context(_as_file(key))
        try:
            context.load_cert_chain(cert_path, key_path, password=refuse_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise ConfigError(
                    f"{where}: {_PREFIX}: the private key is not that of the certificate; give the two that belong together"
                ) from None
            raise ConfigError(
                f"{where}: {_PREFIX}: the certificate or the private key cannot be used ({error.reason or 'no PEM'}); "
                "both must be PEM, the server's own certificate first"
            ) from None


def _verify_clients(context: ssl.SSLContext, settings: TlsSettings, where: str, read: Callable[[Path], bytes]) -> None:
    context.verify_mode = ssl.CERT_REQUIRED if settings.client_auth_type == VERIFY else ssl.CERT_OPTIONAL
    # As in Go, what the file holds is trusted as it is, be it a root, an authority below one, or a client's own certificate.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    # A session that is taken up again is not verified again, and a certificate may have ended or been taken back meanwhile.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    if not settings.client_ca and settings.client_ca_file is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        return
    content = _content(settings.client_ca, settings.client_ca_file, "client_ca_file", where, read)
    try:
        context.load_verify_locations(cadata=content.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        raise ConfigError(f"{where}: {_PREFIX}.client_ca_file: holds no certificate that can be read; it must be PEM") from None


def _content(text: str, file: Path | None, key: str, where: str, read: Callable[[Path], bytes]) -> bytes:
    if file is None:
        return text.encode()
    try:
        return read(file)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", "") or error
        raise ConfigError(f"{where}: {_PREFIX}.{key}: cannot read {file}: {why}; correct the path, or let the exporter read it") from None


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Yield a path under which OpenSSL finds bytes that were read before, so that a pair is of one moment. In memory where that can be."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        with os.fdopen(os.memfd_create("pem", os.MFD_CLOEXEC), "wb") as memory:
            memory.write(content)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
        return
    with tempfile.NamedTemporaryFile() as temporary:
        temporary.write(content)
        temporary.flush()
        yield temporary.name
