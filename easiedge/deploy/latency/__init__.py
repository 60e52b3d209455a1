"""Milliseconds on a device: measured, modelled layer by layer, and kept in a table that travels."""
