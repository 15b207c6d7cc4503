"""The authority of client certificates: kept sealed, made once, and signing only keys that are asked for properly."""

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from specola.authorities.tls import TlsAuthority, asked_key, private_root
from specola.domain.errors import InvalidError, KeyFileError, SealError
from specola.secrets import Sealer
from tests.support.certificates import client_files, make_certificate

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
SEALER = Sealer(bytes(32))

Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def asked(key: Key) -> str:
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, digest)
    return request.public_bytes(Encoding.PEM).decode()


def make(path: Path) -> TlsAuthority:
    return TlsAuthority.make(path, SEALER, installation="abc", now=NOW)


def test_it_is_made_once_and_kept_sealed(tmp_path: Path) -> None:
    path = tmp_path / "authority"
    with ThreadPoolExecutor(4) as pool:
        made = {one.certificate for one in pool.map(make, [path] * 8)}
    assert made == {TlsAuthority.read(path, SEALER).certificate}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["authority"]
    assert b"PRIVATE" not in path.read_bytes()
    with pytest.raises(SealError):
        TlsAuthority.read(path, Sealer(bytes([1] * 32)))
    with pytest.raises(KeyFileError):
        TlsAuthority.read(tmp_path / "nothing", SEALER)


def test_a_certificate_is_for_clients_and_for_its_time() -> None:
    authority = TlsAuthority.fresh(installation="abc", now=NOW)
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    serial, text = authority.sign(key, name="ada", now=NOW, expires=NOW + timedelta(hours=2))
    signed, root = (
        x509.load_pem_x509_certificate(text.encode()),
        x509.load_pem_x509_certificate(authority.certificate.encode()),
    )
    signed.verify_directly_issued_by(root)
    assert signed.public_key() == key
    assert f"{signed.serial_number:x}" == serial
    assert signed.subject.rfc4514_string() == "CN=ada"
    assert (NOW - signed.not_valid_before_utc, signed.not_valid_after_utc - NOW) == (
        timedelta(minutes=5),
        timedelta(hours=2),
    )
    usage = signed.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not signed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["P-384", "Ed25519", "RSA"],
)
def test_good_keys_are_signed(key: Key) -> None:
    found = asked_key(asked(key))
    assert found == key.public_key()
    TlsAuthority.fresh(installation="abc", now=NOW).sign(found, name="ada", now=NOW, expires=NOW)


def test_weak_keys_and_what_is_no_request_are_refused(tmp_path: Path) -> None:
    good = asked(ec.generate_private_key(ec.SECP256R1()))
    body = good.splitlines()
    broken = "\n".join((*body[:2], body[2][::-1], *body[3:]))
    certificate = make_certificate(tmp_path, "ada.test")[0].read_text()
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
    weak = (asked(short), asked(ec.generate_private_key(ec.SECP521R1())))
    for text in ("", "nothing", good[:-40], "ü", "\0", certificate, broken, *weak):
        with pytest.raises(InvalidError):
            asked_key(text)


def test_a_private_root_is_found_in_a_servers_files(tmp_path: Path) -> None:
    alone, _ = make_certificate(tmp_path, "platform.test")
    assert private_root(alone) == alone.read_text()
    authority = TlsAuthority.fresh(installation="abc", now=datetime.now(UTC))
    files = client_files(tmp_path, authority)
    assert private_root(files.certificate) is None
    chain = tmp_path / "chain"
    chain.write_text(files.certificate.read_text() + authority.certificate)
    assert private_root(chain) == authority.certificate
    assert private_root(tmp_path / "nothing") is None
