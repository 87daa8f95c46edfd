"""The evaluate step in parts, which run the models on their share of the images and leave what they say in the run's folder."""
