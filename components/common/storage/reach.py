"""How far a request for a file on a web server may lead."""

from enum import Enum


class Reach(Enum):
    """Which addresses may be asked for a file on a web server. Buckets, local files and proxies are the operator's own choice."""

    NAMED = "named"
    """The one that the operator named, whatever it is; redirects from it lead to public addresses, or stay on the same server."""
    PUBLIC = "public"
    """Public ones alone: what names the file came from elsewhere."""
    ANY = "any"
    """All."""
