"""Classical classifiers on a network's features: the alternative to pruning that small devices had before."""
