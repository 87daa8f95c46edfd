"""HEIC and HEIF, what iPhones make: Pillow reads them with the extra `heic`."""

from graft.components.common.extras import how_to_install
from graft.components.ingest.images.limits import BadImageError

# Brands of a picture coded by HEVC (ISO/IEC 23008-12, annex B); AVIF is such a file as well, with brands of its own.
_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}


def is_heic(content: bytes) -> bool:
    """Whether a file says that it is HEIC or HEIF."""
    if content[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(content[:4]), len(content))
    return any(content[start : start + 4] in _BRANDS for start in (8, *range(16, end, 4)))


def enable_heic() -> tuple[str]:
    """Teaches Pillow the format. Images come upright, by the rotation that the file itself asks for.

    Returns:
        Pillow's names of it.

    Raises:
        BadImageError: The package is missing.
    """
    try:
        import pi_heif
    except ImportError as error:
        raise BadImageError(f"is HEIC, and the package pi-heif is missing: {how_to_install('pi_heif')}") from error
    pi_heif.register_heif_opener(thumbnails=False, decode_threads=1)  # ingest has a process or thread a core already
    return ("HEIF",)
