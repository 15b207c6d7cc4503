"""The command line: one file for each noun; each command's module is loaded when it is called."""
