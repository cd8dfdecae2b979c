"""Checks of arguments that all of `teams` shares."""
