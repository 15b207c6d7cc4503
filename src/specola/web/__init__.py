"""The pages: HTML rendered on the server, kept live by server-sent events; translates in and out, holds no rule."""
