"""examples/mnist.py on all processes that mpiexec starts, each with its part of every batch.

    pip install -e ".[mpi,examples]"
    mpiexec -n 4 python examples/mnist_mpi.py --epochs 20 --batch-size 128

Without mpiexec it is examples/mnist.py. TINYNET_DISTRIBUTE=mpi does the same for a script as it is.
"""

import mnist

import tinynet as keras

if __name__ == "__main__":
    mnist.main(distribute=keras.distribution.DataParallel())
