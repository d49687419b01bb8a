"""What a recording of a step needs on every device that replays one."""


class Unsupported(Exception):
    """The machine has no instruction for this call."""


class Slot(float):
    """A number that changes from step to step: entry `index` of the step's scalars."""

    def __new__(cls, value, index):
        slot = super().__new__(cls, value)
        slot.index = index
        return slot


class RunningStep(int):
    """The number of a step that is being recorded: in the replay it goes on counting."""
