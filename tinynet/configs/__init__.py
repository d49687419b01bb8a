"""Objects by name: configs as Keras writes them, and the classes that a user registers."""
