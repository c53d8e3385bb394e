"""GET /api/status/{jobId} as it is commonly written: FastAPI behind Mangum, SQLAlchemy, boto3 for the other routes."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import boto3
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from mangum import Mangum
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship


class Base(DeclarativeBase):
    """What the tables have in common."""


class Upload(Base):
    """One image job."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(primary_key=True)
    session_token_hash: Mapped[str] = mapped_column(unique=True)
    status: Mapped[str]
    stage: Mapped[str | None]
    progress: Mapped[int]
    error_message: Mapped[str | None]
    updated_at: Mapped[datetime]
    result: Mapped["Result | None"] = relationship(lazy="joined")

    @property
    def result_id(self) -> str | None:
        """Only a completed job shows its result."""
        return self.result.id if self.result and self.status == "completed" else None


class Result(Base):
    """What came of a job."""

    __tablename__ = "results"

    id: Mapped[str] = mapped_column(primary_key=True)
    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"), unique=True)


class JobStatus(BaseModel):
    """Where the job stands."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)

    success: bool = True
    status: str
    stage: str | None
    progress: int
    result_id: str | None
    error_message: str | None = None
    updated_at: datetime


app = FastAPI(title="Inlet")


# Outside the handler, as AWS's best practices tell: made once, used by every request of the sandbox.
storage = boto3.client("s3")  # for the routes that sign URLs
engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"), pool_size=1)


def session() -> Iterator[Session]:
    """Yield a session for one request."""
    with Session(engine) as opened:
        yield opened


@app.exception_handler(HTTPException)
def answer_error(_request: Request, error: HTTPException) -> JSONResponse:
    """Answer in the API's envelope."""
    code = {401: "UNAUTHORIZED", 404: "NOT_FOUND"}.get(error.status_code, "INTERNAL_ERROR")
    body = {"success": False, "error": {"code": code, "message": error.detail}}
    return JSONResponse(body, error.status_code)


@app.get("/api/status/{job_id}")
def read_status(
    job_id: str,
    database: Annotated[Session, Depends(session)],
    x_session_token: Annotated[str | None, Header()] = None,
) -> JobStatus:
    """Stage, progress and, once completed, the result's id."""
    if not x_session_token:
        raise HTTPException(401, "Missing session token")
    upload = database.get(Upload, job_id)
    if upload is None:
        raise HTTPException(404, "Job not found")
    if not secrets.compare_digest(hashlib.sha256(x_session_token.encode()).hexdigest(), upload.session_token_hash):
        raise HTTPException(401, "Wrong session token")
    return JobStatus.model_validate(upload)


lambda_handler = Mangum(app, lifespan="off")
