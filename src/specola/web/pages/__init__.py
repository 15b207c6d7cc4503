"""The pages: one file for each noun."""

from fastapi import APIRouter

from specola.web.pages import (
    account,
    administration,
    authorize,
    computing_editor,
    computings,
    editor,
    found,
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
    sign_in, home, editor, software, tasks, task_verbs, links, found, computing_editor, computings, account, administration,
    authorize,
):  # fmt: skip
    router.include_router(part.router)
