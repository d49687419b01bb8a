"""A recorded step on the card: calls as launches, launches as a graph."""
