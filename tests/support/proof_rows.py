"""Rows for the proofs of the benches' engines, and what the reference makes of them."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches"))

import engines
import images
import proof


@pytest.fixture(scope="module")
def rows():
    return images.load("random")


@pytest.fixture(scope="module")
def expected(rows):
    return proof.record(engines.make("reference", *rows))
