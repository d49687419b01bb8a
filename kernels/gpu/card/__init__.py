"""The card itself: CuPy, cuBLAS, memory, and the sources of the kernels."""
