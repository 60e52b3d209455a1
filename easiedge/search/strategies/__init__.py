"""Strategies of proposing candidates, one a file."""
