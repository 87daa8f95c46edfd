"""GIFs without what Pillow misreads (https://www.w3.org/Graphics/GIF/spec-gif89a.txt).

It joins comments, the longer the slower. An image's own palette that is a ramp of greys it takes for none, and the shared one instead.
"""

_GIF = b"GIF8"
_HEADER, _FLAGS = 13, 10
_EXTENSION, _CONTROL = 0x21, 0xF9
_IMAGE, _IMAGE_FLAGS, _HAS_PALETTE = b"\x2c", 9, 0x80


def without_comments(content: bytes) -> bytes:
    """Returns a GIF without what stands before its first image, but for what says how that is shown; any other file as it is.

    Where that image has a palette of its own, the shared one is such a thing.
    """
    if not content.startswith(_GIF) or len(content) < _HEADER:
        return content
    flags = content[_FLAGS]
    start = place = _HEADER + (3 * (2 << flags % 8) if flags & _HAS_PALETTE else 0)  # behind the palette
    control, size = b"", len(content)
    while place + 2 < size and content[place] == _EXTENSION:
        end = place + 2
        while end < size and content[end]:  # blocks, each with its length before it
            end += content[end] + 1
        if content[place + 1] == _CONTROL:
            control = content[place : end + 1]
        place = end + 1
    front, descriptor = content[:start], content[place : place + _IMAGE_FLAGS + 1]
    if descriptor[:1] == _IMAGE and descriptor[-1] & _HAS_PALETTE:
        front = content[:_FLAGS] + bytes([flags & ~_HAS_PALETTE]) + content[_FLAGS + 1 : _HEADER]
    return front + control + content[place:]
