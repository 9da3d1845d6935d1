"""All pages in one router."""

from fastapi import APIRouter

from app.web import criteria, drawing, panel, patient, studies

router = APIRouter()
for pages in (studies, patient, drawing, panel, criteria):
    router.include_router(pages.router)
