"""The pages: one file for each noun."""

from fastapi import APIRouter

from specola.web.pages import (
    account,
    account_links,
    administration,
    authorize,
    computing_accounts,
    computing_editor,
    computings,
    editor,
    found,
    groups,
    home,
    links,
    sign_in,
    software,
    task_verbs,
    tasks,
)

__all__ = ["router"]

router = APIRouter()
for part in (
    sign_in,
    home,
    editor,
    software,
    tasks,
    task_verbs,
    links,
    found,
    account,
    account_links,
    groups,
    computing_accounts,
    computing_editor,
    computings,
    administration,
    authorize,
):
    router.include_router(part.router)
