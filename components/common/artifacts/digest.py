"""The digest of a dataset's content."""

import hashlib
import json
from collections.abc import Iterable


def content_digest(images: Iterable[tuple[str, str, str]]) -> str:
    """Returns the digest of a dataset's content, whatever the images' names, order and container.

    Args:
        images: Split, class and content SHA-256 of every image.
    """
    import numpy as np

    # One JSON line an image, sorted; held as the bytes of the digests, since there may be a million.
    beginnings: dict[tuple[str, str], str] = {}
    groups: dict[str, bytearray] = {}
    for split, label, sha256 in images:
        beginning = beginnings.setdefault((split, label), "") or json.dumps((split, label))[:-1]
        beginnings[split, label] = beginning
        groups.setdefault(beginning, bytearray()).extend(bytes.fromhex(sha256))
    digest, separator = hashlib.sha256(), ""
    for beginning in sorted(groups):
        for content in np.sort(np.frombuffer(groups[beginning], f"S{hashlib.sha256().digest_size}")):
            digest.update(f'{separator}{beginning}, "{content.ljust(32, bytes(1)).hex()}"]'.encode())
            separator = "\n"
    return digest.hexdigest()
