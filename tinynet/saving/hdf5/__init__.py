"""HDF5 as Keras 2 and 3 lay it out: a bounded reader, and the files of weights and models."""
