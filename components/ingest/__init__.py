"""Ingest: from a folder or archive of images to a checked, immutable Dataset."""

import os

# Read when Arrow is imported: its own allocator keeps what a step is done with, about 40 MiB.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
