"""Rows and their queries."""
