# SPDX-License-Identifier: BSD-3-Clause
"""How a test says what came out of it."""


class Failure(Exception):
    """The behaviour under test is not there; the message says what was expected and what came."""


class Skip(Exception):
    """This machine cannot run the test; the message says what is missing."""


def check(condition: bool, expected: str) -> None:
    """Fail unless condition holds; expected says what should have been, with the figures."""
    if not condition:
        raise Failure(f"expected {expected}")
