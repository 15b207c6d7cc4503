"""`python -m specola`: the command line."""

from specola.cli.main import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
