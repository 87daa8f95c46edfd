"""Files on web servers: the only way in which Graft asks them for what a user or a manifest names."""
