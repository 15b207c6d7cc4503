"""Adapters of the computing port, one folder for each kind of computing."""
