"""Tune: searching better settings of the head on the features of images that train."""
