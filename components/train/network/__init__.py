"""Network: backbone, head and what prepares images for them."""
