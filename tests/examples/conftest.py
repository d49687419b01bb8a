"""Nothing that posts, lessons and examples do is called a mistake by the coach."""

import pytest

from tinynet.inspecting.coach import Coach

MEANT = {  # what is a mistake, and meant to be one
    "test_the_ways_to_validate_and_to_weigh": ("the inputs reach",),  # pixels as they are
    "test_a_rate_too_small_is_slow_and_one_too_large_diverges": ("learning rate 1000",),
    "test_batch_5000_of_55000_rows_is_11_steps": ("are flat for all rows",),  # zeros for pictures
    "test_xor": ("stays at ln 2",),  # without a hidden layer
    "test_vanishing_gradients": ("are flat for all rows", "stays at ln 10"),
    # the shock, of which some processors' rounding makes more
    "test_dying_relu": ("are flat for all rows", "the weights have moved", "learning rate 1.7"),
    "test_overfitting": ("learns by heart",),
}


@pytest.fixture(autouse=True)
def _no_false_alarm(request, monkeypatch):
    """Every `fit` of these tests has a coach, and it has nothing to say."""
    said = []
    monkeypatch.setattr("tinynet.engine.course.coach_is_wanted", lambda coach, verbose: True)
    monkeypatch.setattr(Coach, "say", lambda self, topic, text: said.append(text))
    yield
    meant = MEANT.get(request.node.originalname)
    assert bool(said) == bool(meant), said
    assert [text for text in said if not any(words in text for words in meant or ())] == []
