"""Step host: the process that a local run's steps are forked from, so that they import TensorFlow, kfp and Graft once."""
