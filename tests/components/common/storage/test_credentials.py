"""What stores say where the credentials or the storage class are the reason, told as such."""

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, UnauthorizedSSOTokenError
from google.auth.exceptions import DefaultCredentialsError
from s3fs.errors import translate_boto_error

from graft.components.common import storage
from graft.components.common.errors import GraftError


def refusal(uri, error):
    with pytest.raises(GraftError) as refused, storage.access(uri):
        raise error
    return refused.value


def s3_error(code):
    return translate_boto_error(ClientError({"Error": {"Code": code, "Message": "no"}}, "GetObject"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoCredentialsError(), "there are no credentials for S3 (Unable to locate credentials): set AWS_ACCESS_KEY_ID"),
        (UnauthorizedSSOTokenError(), "there are no credentials for S3 (The SSO session"),
        (s3_error("ExpiredToken"), "S3 doesn't accept the credentials (ExpiredToken): log in again."),
        (s3_error("SignatureDoesNotMatch"), "correct AWS_SECRET_ACCESS_KEY."),
        (s3_error("RequestTimeTooSkewed"), "set this machine's clock."),
        (DefaultCredentialsError("long story"), "no credentials for Google Cloud: run gcloud auth application-default"),
        (OSError("Anonymous caller does not have storage.objects.list access"), "no credentials for Google Cloud"),
    ],
    ids=str,
)
def test_credentials_are_the_reason_and_no_single_file(error, said):
    refused = refusal("s3://bucket/a.jpg", error)
    assert said in str(refused) and not isinstance(refused, storage.FileError)


def test_a_missing_right_is_a_missing_right():
    assert "grant it s3:GetObject and s3:ListBucket" in str(refusal("s3://bucket/a.jpg", s3_error("AccessDenied")))


def test_an_archived_object_is_the_only_one_at_fault():
    refused = refusal("s3://bucket/a.jpg", s3_error("InvalidObjectState"))
    assert isinstance(refused, storage.FileError) and "restore it" in refused.reason and "grant" not in str(refused)
