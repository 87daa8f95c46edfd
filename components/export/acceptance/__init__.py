"""Acceptance: what an Export is put to before it counts: real images in every format, and servers that answer."""
