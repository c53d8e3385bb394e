"""The base of requests and replies: camelCase outside, snake_case inside, unknown fields ignored."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

from inlet.times import iso_utc


class Model(BaseModel):
    """Base of requests and replies."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True)


type Timestamp = Annotated[datetime, PlainSerializer(iso_utc, return_type=str)]

type Sha256 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""A SHA-256 in base64."""
