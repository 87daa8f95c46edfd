"""Images: one at a time, decoded, checked, converted and drawn small."""
