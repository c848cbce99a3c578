"""The main stories are told on every state database; the rest of the contract does not ask which it is."""

import pytest

DATABASES = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))

on_every_database = pytest.mark.parametrize("world", DATABASES, indirect=True)
"""A test with `site`, `new_site` or `world`, once with a hub on each database."""
