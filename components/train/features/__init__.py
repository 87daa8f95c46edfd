"""Features: what the frozen backbone makes of images, computed once."""
