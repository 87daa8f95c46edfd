"""Dataset: what is new, splits and leakage, index and shards."""
