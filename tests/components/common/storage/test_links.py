"""Folders are walked through links, but links can't make far more files of them than there are."""

import pytest

from graft.components.common import storage
from graft.components.common.errors import GraftError


def tree(root, levels, links):
    """Folders each of which has several links to the next: with a few kilobytes, as many paths as one likes."""
    for level in range(levels + 1):
        (root / f"level{level}").mkdir(parents=True)
    (root / f"level{levels}" / "x.jpg").write_bytes(b"")
    for level in range(levels):
        for link in range(links):
            (root / f"level{level}" / f"link{link}").symlink_to(f"../level{level + 1}")
    return root


def test_a_tree_of_links_is_refused(tmp_path):
    with pytest.raises(GraftError, match=r"\d files and folders would be 10,\d+ or more: remove links"):
        list(storage.walk(tree(tmp_path, levels=5, links=10)))


def test_links_to_the_same_folders_are_followed(tmp_path):
    found = [path for path, _ in storage.walk(tree(tmp_path, levels=2, links=30)) if path.name == "x.jpg"]
    assert len(found) == 1 + 30 + 30 * 30
