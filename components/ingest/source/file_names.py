"""What names of files and folders tell: a class's name in one form for all systems, and what can't be an image."""

import unicodedata

# What file systems, desktops, network drives and their caches leave in people's folders, by the name in lower case.
_JUNK = {
    name.lower(): name
    for name in (
        *("__MACOSX", "Icon\r", "Network Trash Folder", "Temporary Items"),  # macOS
        *("Thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),  # Windows
        *("$RECYCLE.BIN", "System Volume Information", "FOUND.000"),
        *("@eaDir", "#recycle", "#snapshot", "@tmp", "@sharebin"),  # Synology
        *("@Recycle", "@Recently-Snapshot", "@__thumb"),  # QNAP
        *("lost+found", "Picasa.ini", "ZbThumbnail.info", "SyncToy"),
    )
}
# Folders that programs hide, in lower case; whatever else is hidden may be a class by mistake.
_PROGRAMS = frozenset(
    (
        *(".git", ".svn", ".hg", ".github", ".gitlab", ".dvc", ".cvs", ".idea", ".vscode", ".settings", ".vs"),
        *(".ipynb_checkpoints", ".venv", ".env", ".cache", ".config", ".local", ".tox", ".mypy_cache"),
        *(".pytest_cache", ".ruff_cache", ".ds_store", ".appledouble", ".apdisk", ".fseventsd", ".spotlight-v100"),
        *(".temporaryitems", ".trashes", ".trash", ".tmp", ".documentrevisions-v100", ".picasaoriginals"),
        *(".thumbnails", ".thumbs", ".comments", ".xvpics", ".directory", ".snapshots", ".snapshot", ".zfs"),
        *(".stfolder", ".stversions", ".sync", ".dropbox.cache", ".tmp.drivedownload", ".tmp.driveupload", ".nfs"),
    )
)
# Ends of names: streams that Windows keeps beside a file, where they became files of their own, and Hadoop's marks of folders.
_JUNK_ENDS = (":zone.identifier", ":encryptable", "_$folder$")
_ELSEWHERE = ".icloud"  # stands for a file that a Mac has not downloaded, as `.1.jpg.icloud` for `1.jpg`
_SIDECARS = frozenset(
    (
        *("aae", "xmp", "thm", "lrv", "pp3", "dop", "cos", "gpx", "srt"),  # cameras and what develops their pictures
        *("mov", "mp4", "m4v", "avi", "3gp", "wav", "m4a", "mp3"),  # live photographs and voice notes
        *("xml", "json", "jsonl", "txt", "csv", "tsv", "yaml", "yml", "md", "html", "htm"),  # annotations
        *("ini", "db", "log", "lnk", "url", "md5", "sha1", "sha256"),
        *("py", "ipynb", "sh", "bat", "js", "css", "toml", "cfg"),
    )
)
_IMAGES = frozenset(
    (
        *("jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "webp"),
        *("tif", "tiff", "avif", "heic", "heif", "jp2", "ppm", "pgm"),
    )
)


def printable(name: str) -> str:
    """Makes a file name that is no valid UTF-8 writable as text."""
    return name.encode("utf-8", "backslashreplace").decode()


def class_name(name: str) -> str:
    """Returns a class's name in the one form that all systems' names come to: composed (NFC), without spaces at its ends."""
    name = unicodedata.normalize("NFC", printable(name))
    return name.strip() or name


def look_of(name: str) -> str:
    """Returns what a class's name looks like to a hurried person: whatever its case and spaces, without signs that can't be seen."""
    seen = (sign for sign in unicodedata.normalize("NFKC", name).casefold() if unicodedata.category(sign) != "Cf")
    return " ".join("".join(seen).replace("_", " ").split())


def parts_of(path: str) -> tuple[str, ...]:
    """Returns the names that a path consists of."""
    return tuple(part for part in path.split("/") if part not in ("", "."))


def junk_kind(name: str) -> str | None:
    """Returns what to call a file or folder that is not the user's own, by its name; None if it may be."""
    lower = name.lower()
    if lower.startswith(".") and not lower.endswith(_ELSEWHERE):
        return "hidden"
    return _JUNK.get(lower) or next((end for end in _JUNK_ENDS if lower.endswith(end)), None)


def may_be_hidden_class(name: str) -> bool:
    """Whether a folder is passed over for its name's dot alone, so that it may be a class of the user's."""
    lower = name.lower()
    return (
        junk_kind(name) == "hidden" and not lower.startswith(("._", ".trash-", ".~", "..")) and lower not in _PROGRAMS
    )


def sidecar_kind(path: str) -> str | None:
    """Returns the pattern of a file's name that says that it goes with images and is none, such as `*.xmp`; None if there is none."""
    suffix = _suffix(path)
    return f"*.{suffix}" if suffix in _SIDECARS else None


def may_be_image(path: str) -> bool:
    """Whether a file may be an image of the user's, by its path: neither it nor a folder around it is junk, and it is no sidecar."""
    return not sidecar_kind(path) and not any(map(junk_kind, parts_of(path)))


def is_called_image(path: str) -> bool:
    """Whether a file is called like an image. What it holds is another question."""
    return _suffix(path) in _IMAGES


def _suffix(path: str) -> str:
    _, dot, suffix = path.rpartition("/")[2].rpartition(".")
    return suffix.lower() if dot else ""
