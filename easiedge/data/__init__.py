"""Image data sets, in memory or in their files, one Lightning data module a file; the training never sees validation or test images."""
