"""Removal for real: masks, compensation, shrinking, proof."""
