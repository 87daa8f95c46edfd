"""Train: a new head on a frozen, pretrained backbone."""
