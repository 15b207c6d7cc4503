"""Specola: a science platform in which every task is a microservice."""

__version__ = "0.1.0"
