"""The keys that sign and verify, as the environment names them."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from graft.components.common.artifacts.signing.signatures import KEY_DIGITS, Signer, VerifyKeys
from graft.components.common.errors import GraftError
from graft.components.common.findings import Finding

if TYPE_CHECKING:  # imported where a key is configured
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNING_KEY = "GRAFT_SIGNING_KEY"
"""The environment variable that names the private key: a PEM file's path, or its text."""
VERIFY_KEY = "GRAFT_VERIFY_KEY"
"""The environment variable that names the public keys: a PEM file's path, or its text."""

_PEM = "-----BEGIN "
_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----[\sA-Za-z0-9+/=]+-----END PUBLIC KEY-----")
_HOW = "openssl genpkey -algorithm ed25519 -out signing.pem && openssl pkey -in signing.pem -pubout -out verify.pem"


def signer() -> Signer | None:
    """Returns who signs; None where no private key is configured.

    Raises:
        GraftError: The key can't be read or is no Ed25519 key, or its public key is not among those that are trusted.
    """
    found = _configured_signer()
    if found is not None and (trusted := _configured_keys()) is not None and found.key not in trusted.keys:
        raise GraftError(
            f"The public key of {SIGNING_KEY} ({found.key}) is not among those of {VERIFY_KEY}, which would refuse what it signs: add it "
            "there, or use the other private key."
        )
    return found


def verify_keys() -> VerifyKeys | None:
    """Returns the keys that are trusted; None where no key is configured, and nothing is verified.

    Who signs verifies as well, or a signature would be put on what somebody forged: by default, by the public key of its own key.

    Raises:
        GraftError: The keys can't be read, or are no Ed25519 keys.
    """
    if (keys := _configured_keys()) is not None:
        return keys
    if (found := _configured_signer()) is None:
        return None
    return VerifyKeys(SIGNING_KEY, {found.key: found.public})


def is_pem(value: str) -> bool:
    """Whether a variable's value is a key itself, not the path of one."""
    return value.lstrip().startswith(_PEM)


def check_signer() -> None:
    """Checks, before any work is done, that a version can be signed where versions have to be.

    Raises:
        GraftError: A key to verify by is configured, and none to sign by, or a key can't be used.
    """
    if verify_keys() is not None and signer() is None:
        raise GraftError(
            f"{VERIFY_KEY} asks for signed versions, and nothing can be signed here: name the private key in {SIGNING_KEY}."
        )


def check_unsigned_allowed(where: str) -> None:
    """Refuses a model that can't be signed, if a key to verify by is configured.

    Args:
        where: Its path or URI without secrets.

    Raises:
        GraftError: It is.
    """
    if (trusted := verify_keys()) is not None:
        raise GraftError(
            f"{where} is a Model, which nobody signs, and {trusted.named} asks for a signature: name an Export or a version, or leave the "
            "key out."
        )


def look_at_keys() -> Finding:
    """Tells by which keys this process signs and verifies."""
    by, trusted = signer(), verify_keys()
    if trusted is None:
        return Finding("Signatures", ok=True, text="no key: nothing is signed or verified", needed=False)
    signs = f"signs by the key {by.key}" if by else "signs nothing"
    return Finding("Signatures", ok=True, text=f"{signs}, verifies by {', '.join(trusted.keys)}", needed=False)


def without_signing_key() -> dict[str, str]:
    """Returns this process's environment for a program that is not Graft's, which has nothing to sign."""
    return {name: value for name, value in os.environ.items() if name != SIGNING_KEY}


@contextmanager
def verifying(keys: str) -> Iterator[None]:
    """Has this process verify by public keys, in place of those that its environment names.

    Args:
        keys: A PEM file's path, or its text; empty for what the environment says.

    Raises:
        GraftError: The keys can't be read, or are no Ed25519 keys.
    """
    before = os.environ.get(VERIFY_KEY)
    if keys:
        text = keys if is_pem(keys) else _text_of(keys)
        check_public_keys(text, "verify_key" if text == keys else keys)
        os.environ[VERIFY_KEY] = text
    try:
        verify_keys()
        yield
    finally:
        if before is not None:
            os.environ[VERIFY_KEY] = before
        elif keys:
            del os.environ[VERIFY_KEY]


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text("ascii")
    except (OSError, ValueError) as error:
        raise GraftError(f"{path} is no PEM file that can be read: name one that holds public keys.") from error


def check_public_keys(text: str, named: str) -> VerifyKeys:
    """Returns the public keys in PEM text, one after the other.

    Args:
        text: The text.
        named: What named them, for messages.

    Raises:
        GraftError: It has none, or something else.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if "PRIVATE KEY" in text:
        raise GraftError(f"{named} holds a private key, which belongs to {SIGNING_KEY} alone: name public keys.")
    blocks = _PUBLIC.findall(text)
    if not blocks or len(blocks) != text.count(_PEM):
        raise GraftError(f"{named} holds no public keys, or a damaged one: make a pair by {_HOW}")
    keys: dict[str, Ed25519PublicKey] = {}
    for block in blocks:
        try:
            key = load_pem_public_key(block.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise GraftError(f"{named} holds a damaged public key: make a pair by {_HOW}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise GraftError(f"{named} holds a key that is not an Ed25519 key: make a pair by {_HOW}")
        keys[_identifier(key)] = key
    return VerifyKeys(named, keys)


def _configured_keys() -> VerifyKeys | None:
    text = _pem(VERIFY_KEY)
    return None if text is None else check_public_keys(text, VERIFY_KEY)


def _configured_signer() -> Signer | None:
    if (text := _pem(SIGNING_KEY)) is None:
        return None
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(text.encode(), None)
    except TypeError as error:
        raise GraftError(f"{SIGNING_KEY} has a password, which nobody could type: name one without.") from error
    except (ValueError, UnsupportedAlgorithm):
        # The cause is left out: no message may hold a part of the key.
        raise GraftError(f"{SIGNING_KEY} holds no private key, or a damaged one: make a pair by {_HOW}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise GraftError(f"{SIGNING_KEY} is not an Ed25519 key: make a pair by {_HOW}")
    return Signer(_identifier(key.public_key()), key)


def _pem(variable: str) -> str | None:
    """Returns the text of a PEM file that a variable names or holds; None if it isn't set."""
    value = os.environ.get(variable)
    if value is None or is_pem(value):
        return value
    try:
        if value.strip():
            return Path(value).read_text("ascii")
    except (OSError, ValueError):
        pass  # the value may be a damaged key: it is not shown
    raise GraftError(f"{variable} is set, and names no PEM file that can be read: name one, or unset it.")


def _identifier(key: "Ed25519PublicKey") -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:KEY_DIGITS]
