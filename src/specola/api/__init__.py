"""The REST API: one file for each noun; translates in and out, holds no rule."""
