"""Weights that were trained elsewhere, or in another run: tensors are read, and nothing else ever is."""
