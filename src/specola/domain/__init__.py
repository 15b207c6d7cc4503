"""What Specola speaks of, as plain frozen values: standard library only, no input or output."""
