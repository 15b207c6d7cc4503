"""The SSH front door: one port for the whole platform, behind which each task has a shell, files and ports."""
