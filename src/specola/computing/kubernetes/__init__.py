"""A Kubernetes cluster as a computing: one pod for each task, with rights in one namespace."""

from specola.computing.kubernetes.computing import KubernetesComputing
from specola.computing.kubernetes.config import KubernetesSettings, Reaching

__all__ = ["KubernetesComputing", "KubernetesSettings", "Reaching"]
