"""Backbones: the pretrained networks that a head can be grafted onto, one module each, and their weights."""
