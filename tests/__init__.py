"""Tests of the product; helpers that several modules share live beside them."""
