"""Evaluate: the saved model on images it was not trained on."""
