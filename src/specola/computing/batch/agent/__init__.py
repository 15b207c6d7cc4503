"""What runs inside a batch job: Python 3.9 or later, its standard library, and nothing else of Specola."""
