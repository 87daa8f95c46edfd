"""The train step in parts, which compute the features of their share of the images and leave them in the store."""
