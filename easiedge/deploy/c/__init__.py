"""Networks as C99: calls of a few kernels over planned memory."""
