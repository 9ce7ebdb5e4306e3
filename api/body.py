"""JSON bodies from strangers: bounded in size, read strictly, refused with the place that is wrong."""

import json
import math
from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BadBody, BodyTooLarge, UnsupportedMediaType, answer
from domain.errors import FieldError
from domain.refusals import validate

Model = TypeVar("Model", bound=BaseModel)

MAX_BODY_BYTES = 1_048_576
MAX_DEPTH = 64
BIGINT_MIN, BIGINT_MAX = -(2**63), 2**63 - 1
# The longest decimal text of a 64-bit integer; longer ones aren't even converted, which takes quadratic time.
MAX_INTEGER_DIGITS = 20


class _Repeated(dict[str, Any]):
    """An object in which a name stood twice; `name` is the first such."""

    name: str


class _HugeInteger:
    """An integer with more digits than 64 bits can hold."""


def _integer(text: str) -> int | _HugeInteger:
    return _HugeInteger() if len(text) > MAX_INTEGER_DIGITS else int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    seen: set[str] = set()
    repeated = _Repeated(found)
    repeated.name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return repeated


def parse_json(raw: bytes) -> Any:
    """The value written in `raw`, which must be strict JSON (RFC 8259) that a database can hold.

    Python's own reader accepts NaN, 1e999, repeated names, lone surrogates, NUL and integers of any size; each of them
    breaks something later, so each is refused here. Nesting is limited to 64 levels.

    Raises `BadBody`, which lists each wrong place as a JSON pointer (RFC 6901) with a stable code.
    """
    try:
        value = json.loads(raw.decode("utf-8"), parse_int=_integer, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise BadBody(
            [FieldError(pointer="", code="not_utf8", detail=f"the body is not UTF-8: byte {error.start} is wrong")]
        ) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise BadBody(
            [FieldError(pointer="", code="json_syntax", detail=f"not JSON: {error.msg} at {where}")]
        ) from error
    except RecursionError as error:
        raise BadBody([_too_deep("")]) from error
    problems = list(_problems(value))
    if problems:
        raise BadBody(problems)
    return value


def _problems(value: Any) -> Iterator[FieldError]:
    """Walk the value without recursion; stops below anything nested too deep."""
    waiting: list[tuple[str, int, Any]] = [("", 0, value)]
    while waiting:
        pointer, depth, item = waiting.pop()
        if isinstance(item, dict | list) and depth >= MAX_DEPTH:
            yield _too_deep(pointer)
        elif isinstance(item, dict):
            yield from _object_problems(pointer, item)
            waiting += [(f"{pointer}/{escape(name)}", depth + 1, inner) for name, inner in item.items()]
        elif isinstance(item, list):
            waiting += [(f"{pointer}/{index}", depth + 1, inner) for index, inner in enumerate(item)]
        else:
            yield from _scalar_problems(pointer, item)


def _object_problems(pointer: str, item: dict[str, Any]) -> Iterator[FieldError]:
    if isinstance(item, _Repeated):
        detail = f"the name {printable(item.name)!r} stands twice; which one is meant?"
        yield FieldError(pointer=pointer, code="duplicate_key", detail=detail)
    for name in item:
        code = _text_problem(name)
        if code:
            yield FieldError(pointer=pointer, code=code, detail=f"a name holds {_TEXT_PROBLEMS[code]}")


def _scalar_problems(pointer: str, item: Any) -> Iterator[FieldError]:
    if isinstance(item, str):
        code = _text_problem(item)
        if code:
            yield FieldError(pointer=pointer, code=code, detail=f"the text holds {_TEXT_PROBLEMS[code]}")
    elif isinstance(item, float) and not math.isfinite(item):
        yield FieldError(
            pointer=pointer, code="not_finite", detail="NaN, Infinity and numbers beyond a double are not JSON numbers"
        )
    elif isinstance(item, _HugeInteger) or (type(item) is int and not BIGINT_MIN <= item <= BIGINT_MAX):
        yield FieldError(
            pointer=pointer, code="integer_too_large", detail=f"integers lie between {BIGINT_MIN} and {BIGINT_MAX}"
        )


_TEXT_PROBLEMS = {
    "nul_character": "a NUL character (\\u0000), which a database text can't hold",
    "lone_surrogate": "half of a surrogate pair, which is no character",
}


def _text_problem(text: str) -> str | None:
    if "\0" in text:
        return "nul_character"
    if text.isascii():
        return None
    return "lone_surrogate" if any("\ud800" <= letter <= "\udfff" for letter in text) else None


def _too_deep(pointer: str) -> FieldError:
    return FieldError(pointer=pointer, code="too_deep", detail=f"nested deeper than {MAX_DEPTH} levels")


def escape(name: str) -> str:
    """One step of a JSON pointer, safe to send: `~` and `/` escaped, lone surrogates shown as `?`."""
    return printable(name).replace("~", "~0").replace("/", "~1")


def printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")[:200]


async def read_json(request: Request) -> Any:
    """The body of a request as strict JSON. Raises `UnsupportedMediaType` or `BadBody`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMediaType(kind)
    return parse_json(await request.body())


async def read_object(request: Request) -> dict[str, Any]:
    """As `read_json`, for bodies that must be an object."""
    value = await read_json(request)
    if not isinstance(value, dict):
        raise BadBody(
            [FieldError(pointer="", code="object_expected", detail=f"expected an object, got {_json_name(value)}")]
        )
    return value


def _json_name(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def validated(model: type[Model], raw: dict[str, Any]) -> Model:
    """The body as a `model`. Raises `BadBody` with everything that is wrong."""
    made, errors = validate(model, raw)
    if made is None:
        raise BadBody(errors)
    return made


JsonObject = Annotated[dict[str, Any], Depends(read_object)]
"""A route's body, read here and not by FastAPI, whose reader answers 500 to NaN and lone surrogates."""


class BodyLimit:
    """Refuses bodies over 1 MiB with 413, by their declared length or, when sent in pieces, as soon as they pass it."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _declared_length(scope) > self.limit:
            await answer(BodyTooLarge(self.limit), scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.limit:
                raise BodyTooLarge(self.limit)
            return message

        await self.app(scope, counted, send)


def _declared_length(scope: Scope) -> int:
    declared: bytes = dict(scope["headers"]).get(b"content-length", b"0")
    # Cut to twelve digits: the text of a header may be long, and converting it takes quadratic time.
    return int(declared[:12]) if declared.isdigit() else 0
