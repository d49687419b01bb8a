"""Passes over the launches of a recorded step that leave fewer of them."""
