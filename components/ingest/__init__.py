"""Ingest: from a folder or archive of images to a checked, immutable Dataset."""
