"""GIFs without their comments (https://www.w3.org/Graphics/GIF/spec-gif89a.txt), which Pillow joins, the longer the slower."""

_GIF = b"GIF8"
_HEADER, _FLAGS = 13, 10
_EXTENSION, _CONTROL = 0x21, 0xF9


def without_comments(content: bytes) -> bytes:
    """Returns a GIF without what stands before its first image, but for what says how that is shown; any other file as it is."""
    if not content.startswith(_GIF) or len(content) < _HEADER:
        return content
    flags = content[_FLAGS]
    start = place = _HEADER + (3 * (2 << flags % 8) if flags >= 128 else 0)  # behind the palette
    control, size = b"", len(content)
    while place + 2 < size and content[place] == _EXTENSION:
        end = place + 2
        while end < size and content[end]:  # blocks, each with its length before it
            end += content[end] + 1
        if content[place + 1] == _CONTROL:
            control = content[place : end + 1]
        place = end + 1
    return content[:start] + control + content[place:]
