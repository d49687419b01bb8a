"""A step captured on several streams: launches that wait for nothing of each other become branches
of the graph, which the card may run at the same time.

Such are the gradients of a layer's weights and what the layer hands down: two products that leave
most of the card idle as long as a batch is small. Off unless TINYNET_BRANCHES says how many: it has
not been timed on a card yet.
"""

from . import options, order


def plan(launches):
    """(branch, launches of others that it waits for) for each, see `machine.order.branches`."""
    most = options.branches()
    if most == 1:
        return [(0, [])] * len(launches)
    return order.branches(launches, most)


def start(launches, plan, runtime, streams, control):
    """Launch a step that begins and ends on the first of the streams, one for each branch."""
    main = streams[0]
    awaited = {i for _, others in plan for i in others}
    begin = main.record() if len(streams) > 1 else None
    begun, marks = {0}, {}
    for i, (launch, (branch, others)) in enumerate(zip(launches, plan, strict=True)):
        stream = streams[branch]
        if branch not in begun:
            stream.wait_event(begin)
            begun.add(branch)
        for other in others:
            stream.wait_event(marks[other])
        with stream:
            launch.start(runtime, control)
        if i in awaited:
            marks[i] = stream.record()
    for branch in begun - {0}:
        main.wait_event(streams[branch].record())
