"""Failures of signing in."""

from specola.domain.errors.kinds import Kind, SpecolaError

__all__ = [
    "AccountDisabledError",
    "SignInError",
    "TooManyAttemptsError",
    "UnauthenticatedError",
]


class UnauthenticatedError(SpecolaError):
    """Nobody is signed in, or what was presented is unknown, expired or revoked."""

    code = "unauthenticated"
    kind = Kind.UNAUTHENTICATED

    def __init__(
        self, sentence: str = "You are not signed in.", *, hint: str = "Sign in, or send a valid token."
    ) -> None:
        super().__init__(sentence, hint=hint)


class SignInError(UnauthenticatedError):
    """The name and the password, or the link, do not fit; which of them is not told."""

    code = "sign_in"

    def __init__(self, sentence: str = "That name and password do not match an account.", *, hint: str = "") -> None:
        super().__init__(sentence, hint=hint or "Check both, or ask an administrator for a sign-in link.")


class AccountDisabledError(UnauthenticatedError):
    """The account exists and is switched off."""

    code = "account_disabled"

    def __init__(self) -> None:
        super().__init__("This account is disabled.", hint="Ask an administrator to enable it.")


class TooManyAttemptsError(SpecolaError):
    """Too many failed attempts to sign in; `seconds` tells when to try again."""

    code = "too_many_attempts"
    kind = Kind.LIMITED

    def __init__(self, seconds: int) -> None:
        super().__init__("Too many failed attempts to sign in.", hint=f"Wait {seconds} s, then try again.")
        self.seconds = seconds
