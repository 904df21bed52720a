"""The web configuration file: Prometheus' format, and no key of it that is left out in silence."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
import yaml

from exporter.errors import ConfigError
from exporter.web.access import load_rules
from exporter.web.access.ciphers import CIPHERS, CURVES
from exporter.web.access.tls import alternative_names
from tests.certificates import Authority

HASH = "$2y$04$" + "0" * 53
PAIR = "cert_file: server.crt\n  key_file: server.key"
CLIENTS = "client_ca_file: authority.crt\n  client_auth_type: RequireAndVerifyClientCert"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with certificates of an authority and a server."""
    Authority(tmp_path).server()
    Authority(tmp_path, "other").server("other-server", passphrase=b"secret")
    (tmp_path / "nothing.pem").write_text("no certificate\n")
    (tmp_path / "huge").write_bytes(b"x" * (1 << 20) + b"x")
    return tmp_path


def loaded(directory: Path, text: str):
    """Return what a file with this text says."""
    file = directory / "web.yml"
    file.write_text(text)
    return load_rules(file)


@pytest.mark.parametrize("text", ["", "# only this\n", "{}\n", "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\n  headers:\n"])
def test_a_file_that_says_nothing_means_neither_tls_nor_logins(directory, text):
    """The toolkit takes an empty file so, and charts write one."""
    rules = loaded(directory, text)
    assert rules.tls is None
    assert not rules.settings.basic_auth_users
    assert rules.cautions == ()


def test_paths_are_relative_to_the_file(directory, monkeypatch):
    """The exporter's working directory is `/` under systemd and in a container."""
    monkeypatch.chdir("/")
    rules = loaded(directory, f"tls_server_config:\n  {PAIR}\n  {CLIENTS}\n")
    assert rules.tls is not None
    assert rules.tls.context.verify_mode is ssl.CERT_REQUIRED
    assert rules.tls.context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_certificate_and_key_may_stand_in_the_file_itself(directory):
    """Where secrets are mounted as one file there is no other."""
    indented = {
        key: "".join(f"\n    {line}" for line in (directory / name).read_text().splitlines())
        for key, name in (("cert", "server.crt"), ("key", "server.key"), ("client_ca", "authority.crt"))
    }
    text = "tls_server_config:\n" + "".join(f"  {key}: |{pem}\n" for key, pem in indented.items())
    rules = loaded(directory, text + "  client_auth_type: VerifyClientCertIfGiven\n")
    assert rules.tls is not None
    assert rules.tls.context.verify_mode is ssl.CERT_OPTIONAL


def test_every_suite_and_curve_that_the_toolkit_takes_is_taken(directory):
    """A file that works for node_exporter must work here."""
    suites = "".join(f"\n    - {name}" for name in CIPHERS)
    rules = loaded(directory, f"tls_server_config:\n  {PAIR}\n  cipher_suites:{suites}\n")
    assert rules.tls is not None
    assert {suite["name"] for suite in rules.tls.context.get_ciphers()} >= {name for name in CIPHERS.values() if name}
    for curve in CURVES:
        assert loaded(directory, f"tls_server_config:\n  {PAIR}\n  curve_preferences: [{curve}]\n").cautions == ()


def test_suites_of_tls_13_alone_leave_no_suite_of_tls_12(directory):
    """Or the least secure suites would be on although the file names only the best."""
    rules = loaded(directory, f"tls_server_config:\n  {PAIR}\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n")
    assert rules.tls is not None
    assert rules.tls.context.minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"tls_server_config:\n  {PAIR}\n  client_auth_type: RequestClientCert\n", "RequestClientCert is taken as NoClientCert"),
        (f"tls_server_config:\n  {PAIR}\n  min_version: TLS10\n", "min_version: TLS10 is taken as TLS12"),
        (f"tls_server_config:\n  {PAIR}\n  client_auth_type: RequireAndVerifyClientCert\n", "every authority that this system trusts"),
        (f"tls_server_config:\n  {PAIR}\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", "those of TLS 1.3 are all on"),
        ("http_server_config:\n  http2: true\n", "http2: true has no effect"),
        (f"basic_auth_users:\n  alice: {HASH.replace('04', '14', 1)}\n", "are slow to check"),
    ],
)
def test_what_is_not_done_as_written_is_said(directory, text, expected):
    """Whoever believes that it is done would find out on the worst of days."""
    (said,) = loaded(directory, text).cautions
    assert expected in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n", "must be a mapping of sections, such as `basic_auth_users:`, not list"),
        ("tls_server_confg: {}\n", "tls_server_confg: unknown key"),
        (f"tls_server_config:\n  {PAIR}\n  insecure: true\n", "tls_server_config.insecure: unknown key"),
        ("tls_server_config:\n  min_version: TLS12\n", "tls_server_config: names no certificate"),
        ("tls_server_config:\n  cert_file: server.crt\n", "has neither key nor key_file"),
        ("tls_server_config:\n  key_file: server.key\n", "has neither cert nor cert_file"),
        ("tls_server_config:\n  client_auth_type: NoClientCert\n", "has neither cert nor cert_file"),
        (f"tls_server_config:\n  {PAIR}\n  cert: x\n", "cert and cert_file are both given"),
        ("tls_server_config:\n  cert_file: gone.crt\n  key_file: server.key\n", "cert_file: cannot read gone.crt: No such file"),
        ("tls_server_config:\n  cert_file: nothing.pem\n  key_file: server.key\n", "both must be PEM"),
        ("tls_server_config:\n  cert_file: server.crt\n  key_file: other-server.key\n", "private key is encrypted"),
        ("tls_server_config:\n  cert_file: other-server.crt\n  key_file: server.key\n", "is not that of the certificate"),
        ("tls_server_config:\n  cert_file: /dev/zero\n  key_file: server.key\n", "/dev/zero is no file"),
        ("tls_server_config:\n  cert_file: .\n  key_file: server.key\n", ". is no file"),
        ("tls_server_config:\n  cert_file: huge\n  key_file: server.key\n", "longer than 1 MiB"),
        ('tls_server_config:\n  cert_file: "a\\0b"\n  key_file: server.key\n', "cannot read a"),
        (f"tls_server_config:\n  {PAIR}\n  client_ca_file: authority.crt\n", "no effect with client_auth_type: NoClientCert"),
        (f"tls_server_config:\n  {PAIR}\n  {CLIENTS.replace('authority.crt', 'nothing.pem')}\n", "holds no certificate"),
        (f"tls_server_config:\n  {PAIR}\n  client_auth_type: RequireAnyClientCert\n", "which this server cannot do"),
        (f"tls_server_config:\n  {PAIR}\n  client_auth_type: RequireClientCert\n", "which this server cannot do"),
        (f"tls_server_config:\n  {PAIR}\n  client_auth_type: Always\n", "tls_server_config.client_auth_type: "),
        (f"tls_server_config:\n  {PAIR}\n  client_allowed_sans: [a]\n", "client_allowed_sans needs client_auth_type: RequireAndVerify"),
        (f"tls_server_config:\n  {PAIR}\n  max_version: TLS11\n", "speaks TLS12 at least"),
        (f"tls_server_config:\n  {PAIR}\n  min_version: TLS13\n  max_version: TLS12\n", "min_version is above max_version"),
        (f"tls_server_config:\n  {PAIR}\n  min_version: SSL3\n", "tls_server_config.min_version: "),
        (f"tls_server_config:\n  {PAIR}\n  cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]\n", "cipher_suites[0]: unknown cipher suite"),
        (f"tls_server_config:\n  {PAIR}\n  max_version: TLS12\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", "names none of TLS 1.2"),
        (f"tls_server_config:\n  {PAIR}\n  curve_preferences: [P256]\n", "curve_preferences[0]: unknown curve"),
        ("http_server_config:\n  headers:\n    X-Other: a\n", "'X-Other' cannot be set here"),
        ("http_server_config:\n  headers:\n    X-Frame-Options: allow\n", "must be deny or sameorigin"),
        ('http_server_config:\n  headers:\n    X-XSS-Protection: "0\\r\\nSet-Cookie: a"\n', "must be one line"),
        ("rate_limit:\n  interval: fast\n", "rate_limit.interval: must be a duration"),
        ("rate_limit:\n  interval: 1s\n", "burst: 0 would refuse every request"),
        ("basic_auth_users:\n  alice: password\n", "basic_auth_users: must map names without a colon to bcrypt hashes"),
        (f"basic_auth_users:\n  'a:b': {HASH}\n", "must map names without a colon"),
        (f"basic_auth_users:\n  alice: {HASH.replace('04', '31', 1)}\n", "of a cost of 4 to 18"),
        ("basic_auth_users:\n  alice: 1\n", "must map names without a colon"),
    ],
)
def test_what_is_wrong_is_told_with_file_key_and_remedy(directory, text, expected):
    """A web server that starts open because of a slip is found by others first."""
    with pytest.raises(ConfigError) as error:
        loaded(directory, text)
    assert str(error.value).startswith(str(directory / "web.yml"))
    assert expected in str(error.value)


def test_no_error_shows_a_hash_or_a_key(directory):
    """Errors end up in logs and tickets."""
    key = (directory / "server.key").read_text().splitlines()[1]
    for text in (
        f"basic_auth_users:\n  alice: [{HASH}x]\n",
        f"basic_auth_users:\n  alice: {HASH}x\n",
        f"tls_server_config:\n  key: [{key}]\n",
    ):
        with pytest.raises(ConfigError) as error:
            loaded(directory, text)
        assert HASH not in str(error.value)
        assert key not in str(error.value)


def test_a_rate_limit_reads_as_go_spells_it(directory):
    """The same file must mean the same to all exporters."""
    for spelled, seconds in (("1s", 1.0), ("500ms", 0.5), ("1m30s", 90.0), ("250us", 0.00025), ("0", 0.0)):
        rules = loaded(directory, f"rate_limit:\n  interval: {spelled}\n  burst: 3\n")
        assert rules.settings.rate_limit.interval == pytest.approx(seconds)


def test_names_of_a_certificate_are_spelled_as_go_spells_them():
    """OpenSSL writes IPv6 in full and in capitals; an allow-list written for other exporters would match nothing."""
    names = (
        ("DNS", "a.example.com"),
        ("IP Address", "2001:DB8:0:0:0:0:0:1\n"),
        ("IP Address", "192.0.2.1"),
        ("URI", "spiffe://x/y"),
        ("DirName", ()),
    )
    assert list(alternative_names({"subjectAltName": names})) == ["a.example.com", "2001:db8::1", "192.0.2.1", "spiffe://x/y"]
    assert list(alternative_names({})) == []


def test_the_examples_of_the_documentation_are_what_they_say(directory, repository):
    """They are copied before they are read."""
    blocks = re.findall(r"```yaml\n(.*?)```", (repository / "docs/web-security.md").read_text(), re.DOTALL)
    rules = loaded(directory, blocks[0].replace("tls.", "server."))
    assert rules.tls is not None
    assert list(rules.settings.basic_auth_users) == ["prometheus"]
    assert rules.cautions == ()
    assert yaml.safe_load(blocks[1]) == yaml.safe_load((repository / "deploy/prometheus/prometheus-tls.yml").read_text())
