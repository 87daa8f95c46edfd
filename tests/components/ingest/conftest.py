"""What tests of ingest share."""

import pytest

from graft.components.ingest.images import decoding_pool


@pytest.fixture
def decoded(monkeypatch):
    """The contents that were decoded in this process, as they come."""
    seen = []
    check_image = decoding_pool.check_image
    monkeypatch.setattr(decoding_pool, "check_image", lambda content: seen.append(content) or check_image(content))
    return seen
