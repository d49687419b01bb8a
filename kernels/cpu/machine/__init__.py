"""The machine that replays a recorded step on the CPU."""
