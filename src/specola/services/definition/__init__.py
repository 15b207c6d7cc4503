"""Software definitions: YAML or JSON text to a domain value with every fault's place, and back."""

from specola.services.definition.reading import Definition, read_definition
from specola.services.definition.tree import LARGEST
from specola.services.definition.writing import write_definition

__all__ = ["LARGEST", "Definition", "read_definition", "write_definition"]
