"""Compute: TensorFlow, devices and passes over images."""
