"""All pages in one router."""

from fastapi import APIRouter

from toxgrade.web import audit, batches, criteria, drawing, panel, patient, sign_in, studies

router = APIRouter()
for pages in (sign_in, audit, batches, studies, patient, drawing, panel, criteria):
    router.include_router(pages.router)
