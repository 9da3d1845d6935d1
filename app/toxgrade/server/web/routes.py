"""All pages in one router."""

from fastapi import APIRouter

from toxgrade.server.web import (
    audit,
    batches,
    criteria,
    panel,
    patient,
    sign_in,
    studies,
)

router = APIRouter()
for pages in (sign_in, audit, batches, studies, patient, drawing, panel, criteria):
    router.include_router(pages.router)
