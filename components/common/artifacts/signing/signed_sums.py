"""The signatures of an Export: a file a key, beside its checksums and no part of what they list."""

import re
from pathlib import Path

from graft.components.common import storage
from graft.components.common.artifacts.signing.keys import signer, verify_keys
from graft.components.common.artifacts.signing.signatures import KEY_DIGITS
from graft.components.common.errors import GraftError

_NAME = re.compile(rf"SHA256SUMS\.[0-9a-f]{{{KEY_DIGITS}}}\.sig")
_MOST_BYTES = 2**20  # of a file that should have 64


def is_signature(path: str) -> bool:
    """Whether a file in an Export is a signature of its checksums."""
    return _NAME.fullmatch(path) is not None


def signature_name(key: str) -> str:
    """Returns the name of the file with the signature by a key."""
    return f"SHA256SUMS.{key}.sig"


def sign_sums(uri: str, sums: bytes) -> bool:
    """Signs the checksums of an Export, if a private key is configured. What it has signed before stays as it is.

    Args:
        uri: The Export's path or URI.
        sums: The bytes of its checksums.

    Returns:
        Whether there is a new signature.

    Raises:
        GraftError: The key can't be used, or the signature not be written.
    """
    by = signer()
    if by is None:
        return False
    file, signature = f"{uri.rstrip('/')}/{signature_name(by.key)}", by.sign("version", sums)
    if _read(file) == signature:
        return False
    storage.write(file, signature)
    return True


def signatures_in(export: Path) -> dict[str, str]:
    """Returns the SHA-256 of the signatures of a local Export, by their names."""
    found = sorted(file for file in export.iterdir() if is_signature(file.name))
    return {file.name: storage.sha256_file(file) for file in found}


def check_signed(uri: str, sums: bytes) -> None:
    """Checks that a trusted key signed an Export's checksums, if a key is configured.

    Args:
        uri: The Export's path or URI.
        sums: The bytes of its checksums.

    Raises:
        GraftError: None did, or a key or a signature can't be read.
    """
    trusted = verify_keys()
    if trusted is None:
        return
    wrong = ""
    for key in trusted.keys:
        signature = _read(f"{uri.rstrip('/')}/{signature_name(key)}")
        if signature is None:
            continue
        if trusted.verify("version", sums, key, signature):
            return
        wrong = key
    shown = storage.redact(uri)
    if wrong:
        raise GraftError(
            f"{shown} does not have the content that the key {wrong} signed: it was forged or damaged; publish its Export again, or name "
            "another version."
        )
    raise GraftError(
        f"{shown} is not signed by a key of {trusted.named}: name another version or, if you know where it comes from, sign it with "
        "graft registry sign."
    )


def _read(uri: str) -> bytes | None:
    try:
        return storage.read(uri, _MOST_BYTES)
    except storage.MissingError:
        return None
