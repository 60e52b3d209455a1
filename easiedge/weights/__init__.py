"""Pruning of single weights and of structures of weights: criteria, masks that training respects, sparse storage; no unit need go for it."""
