"""Dataset: checking, splits, twins, index and shards."""
