"""Keys are what the environment names, and no message holds a part of a private one."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from signing_keys import make_pair

from graft.components.common.artifacts.signing.keys import (
    SIGNING_KEY,
    VERIFY_KEY,
    check_signer,
    signer,
    verify_keys,
    without_signing_key,
)
from graft.components.common.errors import GraftError


@pytest.fixture
def pair(tmp_path):
    return make_pair(tmp_path, "first")


def test_without_keys_nothing_is_signed_or_verified(monkeypatch):
    monkeypatch.delenv(SIGNING_KEY, raising=False)
    monkeypatch.delenv(VERIFY_KEY, raising=False)
    assert signer() is None and verify_keys() is None
    check_signer()


@pytest.mark.parametrize("as_text", [False, True])
def test_a_key_is_a_file_or_text(pair, monkeypatch, as_text):
    private, public = (file.read_text() if as_text else str(file) for file in pair)
    monkeypatch.setenv(SIGNING_KEY, private)
    by = signer()
    assert verify_keys().keys.keys() == {by.key}, "who signs trusts its own key"
    signature = by.sign("version", b"content")
    assert len(signature) == 64 and signature == by.sign("version", b"content")
    monkeypatch.delenv(SIGNING_KEY)
    monkeypatch.setenv(VERIFY_KEY, public)
    keys = verify_keys()
    assert keys.verify("version", b"content", by.key, signature)
    for kind, content, key in (
        ("latest", b"content", by.key),
        ("version", b"content ", by.key),
        ("version", b"content", "0"),
    ):
        assert not keys.verify(kind, content, key, signature)
    with pytest.raises(GraftError, match="asks for signed versions, and nothing can be signed here"):
        check_signer()


def test_who_signs_by_a_key_that_nobody_trusts_is_told(pair, tmp_path, monkeypatch):
    monkeypatch.setenv(SIGNING_KEY, str(pair[0]))
    monkeypatch.setenv(VERIFY_KEY, str(make_pair(tmp_path, "second")[1]))
    with pytest.raises(GraftError, match="is not among those of GRAFT_VERIFY_KEY, which would refuse what it signs"):
        signer()


def pem(key, encryption=None):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


def damaged(text):
    first, second, *rest = text.splitlines()
    return "\n".join([first, second[:20], *rest])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda key: "", "is set, and names no PEM file"),
        (lambda key: "  \n", "is set, and names no PEM file"),
        (lambda key: pem(key).splitlines()[1], "is set, and names no PEM file"),
        (lambda key: "x" * 5000 + pem(key).splitlines()[1], "is set, and names no PEM file"),
        (lambda key: damaged(pem(key)), "holds no private key, or a damaged one"),
        (lambda key: pem(key, BestAvailableEncryption(b"secret")), "has a password"),
        (lambda key: pem(ec.generate_private_key(ec.SECP256R1())), "is not an Ed25519 key"),
    ],
)
def test_a_wrong_private_key_is_refused_and_not_shown(monkeypatch, make, said):
    key = ed25519.Ed25519PrivateKey.generate()
    value = make(key)
    monkeypatch.setenv(SIGNING_KEY, value)
    for use in (signer, verify_keys):
        with pytest.raises(GraftError, match=f"{SIGNING_KEY} {said}") as refused:
            use()
        error, shown = refused.value, ""
        while error is not None:
            shown, error = shown + str(error), error.__cause__
        secret = pem(key).splitlines()[1]
        assert secret[16:] not in shown and secret[16:30] not in shown


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda private, public: "", "is set, and names no PEM file"),
        (lambda private, public: private, "holds a private key"),
        (lambda private, public: public + private, "holds a private key"),
        (lambda private, public: damaged(public), "holds a damaged public key"),
        (lambda private, public: public + public[:60], "holds no public keys, or a damaged one"),
        (lambda private, public: "-----BEGIN CERTIFICATE-----\n", "holds no public keys, or a damaged one"),
    ],
)
def test_wrong_public_keys_are_refused(pair, monkeypatch, change, said):
    private, public = (file.read_text() for file in pair)
    monkeypatch.setenv(VERIFY_KEY, change(private, public))
    with pytest.raises(GraftError, match=f"{VERIFY_KEY} {said}") as refused:
        verify_keys()
    assert private.splitlines()[1] not in str(refused.value)


def test_a_signer_doesn_t_show_its_key_and_no_other_program_gets_it(pair, monkeypatch):
    monkeypatch.setenv(SIGNING_KEY, pair[0].read_text())
    assert "private" not in repr(signer()).lower() and SIGNING_KEY not in without_signing_key()
