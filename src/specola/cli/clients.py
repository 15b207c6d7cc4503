"""What clients of each protocol have to be told: variables of their environment, and words of their command line."""

from collections.abc import Mapping, Sequence

from specola.cli.reaching import Target

__all__ = ["SECRET", "filled", "variables"]

SECRET = "{password}"  # noqa: S105 - where it goes


def variables(target: Target, host: str, port: int, password: str | None, present: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which a client finds the interface.

    Parameters
    ----------
    host, port
        Where the interface is on this machine.
    password
        The task's credential, if a client needs it.
    present
        The variables that are set already; a user or a database among them stays as it is.

    Notes
    -----
    PG*: libpq, "Environment Variables". MYSQL_*: MySQL's manual, "Environment Variables"; MYSQL_USER is read by scripts
    only. REDISCLI_AUTH: redis-cli.
    """
    made = {"SPECOLA_HOST": host, "SPECOLA_PORT": str(port)}
    secret = password or ""
    match target.protocol:
        case "postgres":
            user = present.get("PGUSER") or target.environment.get("POSTGRES_USER", "postgres")
            database = present.get("PGDATABASE") or target.environment.get("POSTGRES_DB", user)
            made |= {"PGHOST": host, "PGPORT": str(port), "PGUSER": user, "PGDATABASE": database, "PGPASSWORD": secret}
        case "mysql":
            user = present.get("MYSQL_USER") or "root"
            made |= {"MYSQL_HOST": host, "MYSQL_TCP_PORT": str(port), "MYSQL_PORT": str(port)}
            made |= {"MYSQL_USER": user, "MYSQL_PWD": secret, "MYSQL_PASSWORD": secret}
        case "redis":
            # A credential is URL-safe text, so it stands in an address as it is.
            made |= {"REDIS_HOST": host, "REDIS_PORT": str(port), "REDISCLI_AUTH": secret}
            made["REDIS_URL"] = f"redis://:{secret}@{host}:{port}/0" if secret else f"redis://{host}:{port}/0"
        case _:
            pass
    if password is not None:
        made["SPECOLA_PASSWORD"] = password
    # An empty password is worse than none: clients send it instead of asking.
    return {name: value for name, value in made.items() if value}


def filled(words: Sequence[str], host: str, port: int, password: str | None) -> list[str]:
    """Return a command with `{host}`, `{port}` and `{password}` put in; other braces stay."""
    values = {"{host}": host, "{port}": str(port)} | ({SECRET: password} if password is not None else {})
    done = []
    for word in words:
        for mark, value in values.items():
            word = word.replace(mark, value)  # noqa: PLW2901 - step by step
        done.append(word)
    return done
