"""The catalogue that comes with Specola: one definition for each entry."""

from importlib import resources

__all__ = ["shipped"]


def shipped() -> tuple[str, ...]:
    """Return the definitions of all entries that come with Specola, ordered by file name."""
    folder = resources.files(__name__)
    files = sorted((one for one in folder.iterdir() if one.name.endswith(".yaml")), key=lambda one: one.name)
    return tuple(file.read_text(encoding="utf-8") for file in files)
