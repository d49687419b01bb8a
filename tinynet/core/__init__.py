"""What all else stands on: parameters, the graph of tensors, devices, the context of a step."""
