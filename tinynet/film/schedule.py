"""When a frame is taken: after every step at first, then at intervals that grow with time."""


def schedule(steps, epochs, most) -> list:
    """Return after how many steps a frame is due, ascending; the last is the end of training.

    The intervals are a fixed share of the time so far, so that a fit which stops early has most of
    its frames, too. Where they are longer than half an epoch, frames fall on ends of epochs, where
    there are a validation and a History.

    Args:
        steps: per epoch.
        epochs: how many will be run.
        most: number of frames at most, beside the one before training; at least 1.
    """
    share = 0.02
    while len(due := _grown(steps, epochs, share)) > most:
        share *= 1.1
    return due


def _grown(steps, epochs, share):
    end, at, due = steps * epochs, 0, []
    while at < end:
        interval = max(1, round(at * share))
        at = min(at + interval, end)
        if 2 * interval > steps:
            at = min(max(1, round(at / steps)) * steps, end)
            if due and at <= due[-1]:
                at = min(due[-1] // steps * steps + steps, end)
        due.append(at)
    return due
