"""Shards: where the images of a Dataset lie, and their bytes."""
