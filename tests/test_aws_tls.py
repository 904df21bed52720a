"""TLS is set up once, trusts whom it is told to trust, and nobody else."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exporter.aws import transport
from tests.aws_session import Heard, Service, failed, opened, reply
from tests.sandbox_client import REGION


def certificate(path: Path, host: str) -> Path:
    """Write a key and a certificate that it signs itself, good for a host."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.com")])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=1)
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))])
    signed = built.add_extension(names, critical=False).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + signed.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    return path


def secured(service: Service, file: Path) -> str:
    """Have a server speak TLS, and return its address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    service._server.socket = context.wrap_socket(service._server.socket, server_side=True)
    service._server.handle_error = lambda *_: None
    return service.url.replace("http://", "https://")


def test_a_bundle_of_ones_own_is_trusted_and_loaded_once(aws_environment, tmp_path, monkeypatch):
    """Otherwise an endpoint behind a company's authority is not reached, or each connection costs 30 ms of CPU."""
    made = []
    create = transport.create_urllib3_context
    monkeypatch.setattr(transport, "create_urllib3_context", lambda: made.append(create()) or made[-1])

    def once(handler, _number):
        handler.close_connection = True
        reply(handler, 200, b"data", Connection="close")

    file = certificate(tmp_path / "pem", "127.0.0.1")
    aws_environment.setenv("AWS_CA_BUNDLE", str(file))
    with Service(once) as service, opened(secured(service, file)) as aws:
        for _ in range(3):
            assert aws.caller(REGION).get_object("example-trail", "a", 10).body == b"data"
    assert len(made) == 1


@pytest.mark.parametrize("trusted", [False, True])
def test_whoever_is_not_trusted_gets_no_request(aws_environment, tmp_path, trusted):
    """Otherwise somebody in between reads everything; a certificate for another host is no better than one that nobody knows."""
    file = certificate(tmp_path / "pem", "192.0.2.1" if trusted else "127.0.0.1")
    if trusted:
        aws_environment.setenv("AWS_CA_BUNDLE", str(file))
    heard = Heard()
    with Service(lambda handler, _n: reply(handler, 200, b"data")) as service, opened(secured(service, file), heard) as aws:
        text = str(failed(lambda: aws.caller(REGION).get_object("example-trail", "a", 10)))
    assert "AWS_CA_BUNDLE" in text
    assert service.requests == []
    assert set(heard.codes("s3:GetObject")) == {"connection"}


def test_a_bundle_that_is_not_there_is_said(aws_environment, tmp_path):
    """Otherwise a typing error in AWS_CA_BUNDLE ends in a traceback."""
    aws_environment.setenv("AWS_CA_BUNDLE", str(tmp_path / "nope"))
    with opened("https://127.0.0.1:1") as aws:
        error = failed(lambda: aws.caller(REGION).get_object("example-trail", "a", 10))
    assert "AWS_CA_BUNDLE" in str(error)
