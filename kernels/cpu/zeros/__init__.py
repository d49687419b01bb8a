"""Products whose x is mostly zeros, or a sparse matrix."""
