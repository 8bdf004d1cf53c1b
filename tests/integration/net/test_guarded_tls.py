"""TLS: the connection goes to the checked address, the name is what is proven."""

import datetime
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.integration.net.receiver import says, stranger
from tests.integration.net.test_guarded_client import Names, refused
from visavis.net.client import GuardedClient


@pytest.fixture
def server_tls(tmp_path: Path) -> ssl.SSLContext:
    """A server's certificate for ``secure.test``, its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "secure.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("secure.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


async def test_the_name_is_sent_and_proven(server_tls: ssl.SSLContext, tmp_path: Path) -> None:
    names = Names(secure_test=["127.0.0.1"], other_test=["127.0.0.1"])
    trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    async with (
        stranger(says("200 OK", b"safe"), tls=server_tls) as host,
        GuardedClient(["127.0.0.1"], resolve=names, tls=trusted) as client,
    ):
        answer = await client.request("GET", f"https://secure.test:{host.port}/")
        assert answer.body == b"safe"
        error = await refused(client, f"https://other.test:{host.port}/")
        assert error.code == "unreachable"
    assert host.server_names == ["secure.test", "other.test"]
    assert [asked.headers["host"] for asked in host.asked] == [f"secure.test:{host.port}"]


async def test_an_unknown_authority_is_refused(server_tls: ssl.SSLContext) -> None:
    async with (
        stranger(says("200 OK"), tls=server_tls) as host,
        GuardedClient(["127.0.0.1"], resolve=Names(secure_test=["127.0.0.1"])) as client,
    ):
        error = await refused(client, f"https://secure.test:{host.port}/")
    assert error.code == "unreachable"
    assert host.asked == []


async def test_a_redirect_from_https_to_http_is_refused(
    server_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    trusted = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
    async with stranger(says("200 OK")) as plain:
        down = says("302 Found", location=f"http://secure.test:{plain.port}/")
        async with (
            stranger(down, tls=server_tls) as host,
            GuardedClient(
                ["127.0.0.1"], resolve=Names(secure_test=["127.0.0.1"]), tls=trusted
            ) as client,
        ):
            error = await refused(client, f"https://secure.test:{host.port}/", redirects=1)
    assert error.code == "redirect_refused"
    assert plain.connections == 0
