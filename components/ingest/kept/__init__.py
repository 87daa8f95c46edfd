"""Kept: what checking found of images, in the store till a Dataset holds them."""
