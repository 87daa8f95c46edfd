"""Credentials that are missing or not accepted: what clients raise then speaks of anything but them."""

from graft.components.common.storage.troubles.retries import s3_code

# botocore's, by name: it isn't imported before it is used.
_NONE = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "ProfileNotFound",
        "SSOError",
        "LoginError",
    }
)
# s3fs calls most of these a missing right.
_NOT_ACCEPTED = {
    "ExpiredToken": "log in again",
    "InvalidToken": "log in again",
    "TokenRefreshRequired": "log in again",
    "InvalidAccessKeyId": "correct AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "correct AWS_SECRET_ACCESS_KEY",
    "AuthorizationHeaderMalformed": "set AWS_DEFAULT_REGION to the bucket's region",
    "RequestTimeTooSkewed": "set this machine's clock",
}
_S3_REMEDY = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws configure; "
    "FSSPEC_S3_ANON=true reads a public bucket without any"
)
_GCS_REMEDY = "run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS"


def trouble_with_credentials(error: BaseException) -> str:
    """Returns what is wrong with the credentials and what to do, as the end of a sentence; empty if it isn't they."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & _NONE:
        return f"there are no credentials for S3 ({' '.join(str(error).split()).rstrip('.')}): {_S3_REMEDY}"
    if remedy := _NOT_ACCEPTED.get(code := s3_code(error)):
        return f"S3 doesn't accept the credentials ({code}): {remedy}"
    if "RefreshError" in kinds:
        return f"Google Cloud doesn't accept the credentials any more ({str(error.args[0]).rstrip('.')}): {_GCS_REMEDY}"
    if "DefaultCredentialsError" in kinds or "Anonymous caller" in str(error):
        return f"there are no credentials for Google Cloud: {_GCS_REMEDY}"
    return ""
