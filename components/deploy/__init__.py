"""The deploy step: brings a model's latest version into traffic."""
