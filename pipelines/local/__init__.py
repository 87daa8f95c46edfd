"""Local: what runs on this machine."""
