"""Files that only stand for others, as where a download did not happen: what they are, and what brings the file itself."""

_HTML = (b"<!doctype html", b"<html")
_XCODE = b"CgBI"  # the first chunk
_ICLOUD = (b"bplist00", b"NSURLNameKey")


def stand_in(content: bytes) -> str:
    """Returns what a file is that only stands for another, and the remedy, without the file's name; empty if it is none.

    Args:
        content: The file, or its first 512 bytes.
    """
    if content.startswith(b"version https://git-lfs.github.com/"):
        return "is a pointer of Git LFS, not the file itself: run `git lfs pull` in the repository"
    if content.startswith(_ICLOUD[0]) and _ICLOUD[1] in content[:512]:
        return "is a placeholder of iCloud, not the file itself: have the Mac download it"
    if content[12:16] == _XCODE:
        return "is a PNG as Xcode packs it into apps: take the one that it was made of, or undo that by `pngcrush`"
    if content[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_HTML):
        return "is a web page, as a server may send instead of a file: download the file itself"
    return ""
