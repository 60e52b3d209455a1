"""Structure search for tiny networks: which widths, found by training candidates.  GRS, Jump-GRS, their baselines, and information gain."""
