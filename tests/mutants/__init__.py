"""Mutation tests: one-line changes that the tests of their subject must notice; `python -m tests.mutants`."""
