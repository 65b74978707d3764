"""Engines: one meaning, several ways to run it."""
