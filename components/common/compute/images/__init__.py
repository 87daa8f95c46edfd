"""What the bytes of an image say besides its pixels, read by operations that a served graph has too."""
