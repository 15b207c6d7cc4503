"""Failures of accounts on computings."""

from specola.domain.errors.kinds import Kind, SpecolaError
from specola.domain.errors.requests import ConflictError, InvalidError

__all__ = ["AccountMissingError", "AccountNameError", "AccountTakenError", "AccountUnprovenError", "TooManyChecksError"]


class AccountNameError(InvalidError):
    """It is no account that a person could have."""

    code = "account_name"

    def __init__(self, account: str, why: str) -> None:
        super().__init__(
            f"“{account[:64]}” {why}.", hint="Give your own account's name, exactly as it is there.", field="account"
        )


class AccountMissingError(ConflictError):
    """Tasks run there with people's own accounts, and this person has none that was proven."""

    code = "account_missing"

    def __init__(self, computing: str, *, pending: bool) -> None:
        super().__init__(
            f"Your account on “{computing}” is not proven yet."
            if pending
            else f"On “{computing}” tasks run with your own account, and you have linked none.",
            hint=f"Prove it: your account's page, Accounts on computings; or specola accounts check {computing}."
            if pending
            else f"Link it: your account's page, Accounts on computings; or specola accounts link {computing} NAME.",
        )


class AccountTakenError(ConflictError):
    """Somebody else has proven that the account is theirs."""

    code = "account_taken"

    def __init__(self, account: str, computing: str) -> None:
        super().__init__(
            f"The account “{account}” on “{computing}” is somebody else's here.",
            hint="If it is yours, ask an administrator to end that link.",
        )


class AccountUnprovenError(ConflictError):
    """What was looked for in the account was not there."""

    code = "account_unproven"

    def __init__(self, account: str, computing: str, *, detail: str, hint: str) -> None:
        super().__init__(f"“{account}” on “{computing}” is not proven: {detail}.", hint=hint)


class TooManyChecksError(SpecolaError):
    """Somebody asked too often whether an account is proven; `seconds` tells when to try again."""

    code = "too_many_checks"
    kind = Kind.LIMITED

    def __init__(self, seconds: int) -> None:
        super().__init__("That was asked too often.", hint=f"Wait {seconds} s, then check again.")
        self.seconds = seconds
