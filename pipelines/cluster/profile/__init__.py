"""A target's profile: where the steps run, on which images, with which resources and secrets."""
