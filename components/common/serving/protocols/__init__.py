"""Protocols: requests and answers as TensorFlow Serving and the Open Inference Protocol have them."""
