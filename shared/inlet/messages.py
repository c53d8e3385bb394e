"""How every request and reply is written: camelCase outside, snake_case inside, unknown fields ignored."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from inlet.times import iso_utc


class Model(BaseModel):
    """Base of requests and replies."""

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True)


type Timestamp = Annotated[datetime, PlainSerializer(iso_utc, return_type=str)]
