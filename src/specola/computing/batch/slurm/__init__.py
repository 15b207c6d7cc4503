"""Slurm, driven by its command line."""

from specola.computing.batch.slurm.scheduler import SlurmScheduler

__all__ = ["SlurmScheduler"]
