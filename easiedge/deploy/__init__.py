"""Artifacts that load anywhere."""
