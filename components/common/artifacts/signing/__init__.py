"""Signing: which keys sign and verify, and what they have signed."""
