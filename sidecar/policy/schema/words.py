"""What `declaring` says, under pydantic's names: every section imports them from here."""

from typing import TYPE_CHECKING

from sidecar.policy.schema.declaring import is_plain

if TYPE_CHECKING or not is_plain():
    from pydantic import (
        AfterValidator,
        BaseModel,
        BeforeValidator,
        ConfigDict,
        Discriminator,
        Field,
        GetJsonSchemaHandler,
        PlainValidator,
        Strict,
        Tag,
        ValidationInfo,
        WithJsonSchema,
        model_validator,
    )
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema, PydanticCustomError
else:
    from sidecar.policy.schema.plain import (
        AfterValidator,
        BeforeValidator,
        ConfigDict,
        CoreSchema,
        Discriminator,
        Field,
        GetJsonSchemaHandler,
        JsonSchemaValue,
        PlainValidator,
        PydanticCustomError,
        Strict,
        Tag,
        ValidationInfo,
        WithJsonSchema,
        model_validator,
    )
    from sidecar.policy.schema.plain import Values as BaseModel

__all__ = [
    "AfterValidator",
    "BaseModel",
    "BeforeValidator",
    "ConfigDict",
    "CoreSchema",
    "Discriminator",
    "Field",
    "GetJsonSchemaHandler",
    "JsonSchemaValue",
    "PlainValidator",
    "PydanticCustomError",
    "Strict",
    "Tag",
    "ValidationInfo",
    "WithJsonSchema",
    "model_validator",
]
