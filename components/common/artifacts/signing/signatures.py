"""What a signature is made of, and who makes and verifies one.

Plain Ed25519 over DSSE's pre-authentication encoding, which says how long the content is and what it is: no signature of one thing is
one of another. https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md
"""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # imported where a key is configured
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_DIGITS = 16
"""How long a key's identifier is."""

Kind = Literal["version", "latest"]


@dataclasses.dataclass(frozen=True)
class VerifyKeys:
    """The public keys that are trusted.

    Attributes:
        named: What named them, for messages.
        keys: The keys by their identifiers.
    """

    named: str
    keys: Mapping[str, "Ed25519PublicKey"]

    def verify(self, kind: Kind, content: bytes, key: str, signature: bytes) -> bool:
        """Tells whether one of the keys, and that one, signed this content of this kind."""
        from cryptography.exceptions import InvalidSignature

        if key not in self.keys:
            return False
        try:
            self.keys[key].verify(signature, _encoded(kind, content))
        except InvalidSignature:
            return False
        return True


@dataclasses.dataclass(frozen=True)
class Signer:
    """Who signs.

    Attributes:
        key: The key's identifier.
    """

    key: str
    _private: "Ed25519PrivateKey" = dataclasses.field(repr=False)

    @property
    def public(self) -> "Ed25519PublicKey":
        """The key that verifies what this one signs."""
        return self._private.public_key()

    def sign(self, kind: Kind, content: bytes) -> bytes:
        """Returns the signature of a content. The same content has the same one each time."""
        return self._private.sign(_encoded(kind, content))


def _encoded(kind: Kind, content: bytes) -> bytes:
    what = f"application/vnd.graft.{kind}"
    return f"DSSEv1 {len(what)} {what} {len(content)} ".encode() + content
