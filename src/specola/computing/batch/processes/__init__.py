"""Hosts without a scheduler: each task is a process of its account, which outlives our connection."""

from specola.computing.batch.processes.scheduler import ProcessScheduler

__all__ = ["ProcessScheduler"]
