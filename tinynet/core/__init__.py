"""Parameters, the graph of symbolic tensors, devices, and the context of a step."""
