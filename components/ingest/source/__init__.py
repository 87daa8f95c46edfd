"""Source: what images there are, in folders, archives and manifests."""
