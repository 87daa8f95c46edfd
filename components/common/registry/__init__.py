"""The registry: a model's published versions in a store, and which of them is the latest."""
