"""Real places for tasks on one Debian machine: SSH hosts, a Slurm cluster, a Kubernetes cluster, a registry; for tests, and for trying things out."""
