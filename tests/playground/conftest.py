"""The playground's page, and visits to it in a browser."""

import pytest
from browsing import visits

import tinynet


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return tinynet.playground(tmp_path_factory.mktemp("page") / "playground.html").as_uri()


@pytest.fixture
def visit(browser, uri):
    with visits(browser, uri) as visit:
        yield visit
