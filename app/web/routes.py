"""All pages in one router."""

from fastapi import APIRouter

from app.web import criteria, panel, studies

router = APIRouter()
for pages in (studies, panel, criteria):
    router.include_router(pages.router)
