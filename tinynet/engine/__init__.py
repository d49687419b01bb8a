"""The training loop: the step, how it is carried out, and the epochs around it."""
