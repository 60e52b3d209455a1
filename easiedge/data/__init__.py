"""Image data sets in memory, one Lightning data module a file; the training never sees validation or test images."""
