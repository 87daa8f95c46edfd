"""Manifests: tables that name images, wherever they lie, and their labels."""
