"""URIs that are secrets, such as signed ones, stand in a file: only its path is passed on, typed and shown."""

from pathlib import Path

from graft.components.common.errors import GraftError
from graft.components.common.storage.uris import check_user
from graft.components.common.storage.verbs import read

SUFFIX = ".url"
_MOST = 16 * 2**10


def uri_in(path: str) -> str:
    """Returns the URI that stands in a local file called `*.url`; any other path or URI as it is.

    Raises:
        GraftError: The file holds anything else, or a URI with a user name.
    """
    if "://" in path or not path.endswith(SUFFIX) or not Path(path).is_file():
        return path
    uri = read(path, _MOST).decode(errors="replace").strip()
    if "://" not in uri or not uri.isprintable():
        raise GraftError(f"{path} must hold one URI and nothing else, such as https://host/photos.zip.")
    check_user(uri)
    return uri
