"""What is signed of a `latest.json`: all that it says, and of which model."""

import base64
import binascii
import json

from graft.components.common.artifacts.latest import Latest, Signature
from graft.components.common.artifacts.signing.signatures import Signer, VerifyKeys
from graft.components.common.errors import DamagedRecordError, GraftError


def sign_latest(latest: Latest, model: str, by: Signer) -> Latest:
    """Returns what a `latest.json` is to hold, signed.

    Args:
        latest: What it says; a signature in it is replaced.
        model: The model's name.
        by: Who signs.
    """
    bare = latest.model_copy(update={"signature": None})
    value = by.sign("latest", _encoded(bare.text().encode(), model))
    return latest.model_copy(update={"signature": Signature(key=by.key, value=base64.b64encode(value).decode())})


def verify_latest(content: bytes, model: str, where: str, trusted: VerifyKeys) -> Latest:
    """Reads a `latest.json` that a trusted key signed. What it returns is made of nothing but the bytes that were signed.

    Args:
        content: The file's bytes.
        model: The model's name.
        where: Its path or URI without secrets, for messages.
        trusted: The keys.

    Raises:
        GraftError: It is damaged, not signed, or signed by another key or about something else.
    """
    signature = Latest.parse(content, where).signature
    if signature is None:
        raise GraftError(
            f"{where} is not signed, and {trusted.named} asks for a signature: if you know that it is right, sign it with "
            f"graft registry sign {model}."
        )
    if signature.key not in trusted.keys:
        raise GraftError(
            f"{where} is signed by the key {signature.key}, which is not among those of {trusted.named}: add its public key there, or "
            "restore an earlier generation of the file."
        )
    signed = _encoded(content, model)
    if not trusted.verify("latest", signed, signature.key, _decoded(signature.value)):
        raise GraftError(
            f"{where} is not what the key {signature.key} signed for {model}: it was forged or damaged; restore an earlier "
            "generation of it."
        )
    latest = Latest.parse(json.dumps(json.loads(signed)["latest"]).encode(), where)
    return latest.model_copy(update={"signature": signature})


def _encoded(content: bytes, model: str) -> bytes:
    """Returns the bytes that are signed: one form of what a record says, without its signature, and the model's name."""
    try:
        fields = json.loads(content)
        fields.pop("signature", None)
        return json.dumps({"model": model, "latest": fields}, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, AttributeError, RecursionError) as error:
        raise DamagedRecordError(f"The latest.json of {model} is damaged ({error}): {Latest.REMEDY}.") from error


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return b""
