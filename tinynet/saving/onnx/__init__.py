"""ONNX: a model as a graph that other engines run."""
