"""Trainings in this process without their page, at which most tests don't look."""

import contextlib

import pytest


@contextlib.contextmanager
def without_page():
    """Leaves out the pages of trainings, which take a CPU second, and four where images are augmented."""
    from graft.components.train import making

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "write_page", lambda *_: None)
        yield
