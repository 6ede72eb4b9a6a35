"""Every example in a docstring of src/pawl is run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import pawl

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(pawl.__path__, "pawl.") if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.failed == 0, f"{found.failed} of {found.attempted} examples in {name}"


def test_there_are_examples_at_all() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(found) > 15
