"""Looking at a model without changing it: gradient check, activations, where NaN began."""
