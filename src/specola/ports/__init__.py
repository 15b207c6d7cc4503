"""What the services and the worker ask of the outside, as protocols with two real implementations or more."""
