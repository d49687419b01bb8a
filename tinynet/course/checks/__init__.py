"""For each lesson what its exercise must give, the usual mistakes by name, and hints by degrees."""
