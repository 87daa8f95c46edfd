"""What a request is refused for, and the status code that says so."""

from http import HTTPStatus

# As TensorFlow Serving answers them: tensorflow_serving/model_servers/http_server.cc.
_STATUS_OF_CODE = {
    1: 499,  # cancelled
    3: HTTPStatus.BAD_REQUEST,  # invalid argument
    4: HTTPStatus.GATEWAY_TIMEOUT,  # deadline exceeded
    5: HTTPStatus.NOT_FOUND,
    6: HTTPStatus.CONFLICT,  # already exists
    7: HTTPStatus.FORBIDDEN,  # permission denied
    8: HTTPStatus.TOO_MANY_REQUESTS,  # resource exhausted
    9: HTTPStatus.BAD_REQUEST,  # failed precondition
    10: HTTPStatus.CONFLICT,  # aborted
    11: HTTPStatus.BAD_REQUEST,  # out of range
    12: HTTPStatus.NOT_IMPLEMENTED,
    14: HTTPStatus.SERVICE_UNAVAILABLE,
    16: HTTPStatus.UNAUTHORIZED,
}


class Refusal(Exception):  # noqa: N818 (an answer, not an error of the server)
    """A request that is not answered as it wishes.

    Attributes:
        status: The status code of the answer.
    """

    def __init__(self, message: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


def status_of(code: int) -> int:
    """Returns the status code for a kind of error of TensorFlow's."""
    return _STATUS_OF_CODE.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
