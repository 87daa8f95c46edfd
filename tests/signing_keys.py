"""Key pairs for signatures, and what an attacker does who can write a store and has no key."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from graft.components.common.artifacts.signing.keys import SIGNING_KEY, VERIFY_KEY


def make_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """Writes a key pair, and returns the files of the private and the public key."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.private.pem", folder / f"{name}.public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def turn_on(folder: Path, monkeypatch) -> tuple[Path, Path]:
    """Has this process and those that it starts sign and verify, on a machine that has seen nothing; returns both files."""
    private, public = make_pair(folder, "first")
    monkeypatch.setenv(SIGNING_KEY, str(private))
    monkeypatch.setenv(VERIFY_KEY, str(public))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    return private, public


def rewrite(latest: Path, **fields) -> None:
    """Changes fields of a `latest.json`, and leaves its signature as it is; None takes a field out."""
    content = json.loads(latest.read_text()) | fields
    latest.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))
