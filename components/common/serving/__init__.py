"""Serving: an exported model behind HTTP, without TensorFlow's Python package."""
