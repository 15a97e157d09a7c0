"""The part of MongoDB's filter language that callers of /query/taskforces use, and its pages.

What MongoDB knows and this does not is answered 501.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.sandbox.wms.storage import DocumentId
from tests.sandbox.wms.wire import Json, RefusedError

_MISSING = object()


def find_page(
    documents: Iterable[Json], query: Json, projection: list[str] | None, after: str | None, page_bytes: int
) -> tuple[list[Json], str | None]:
    """One page of the matching documents in the order of their `_id`, and the next page's `after` or None.

    A page ends before the sum of its documents' JSON sizes passes `page_bytes`; a first document above that
    gives an empty page and None, although there is more. `after` overwrites any `_id` of the query; an empty
    one is none. A bad `after`, and a filter that is wrong, is a RefusedError (500); one that is not supported
    here is a RefusedError (501).
    """
    if after:
        try:
            query = query | {"_id": {"$gt": DocumentId.parse(after)}}
        except ValueError as error:
            raise RefusedError(500, str(error)) from error
    page: list[Json] = []
    size, last = 0, None
    for document in sorted(documents, key=operator.itemgetter("_id")):
        if not matches(document, query):
            continue
        shown = _project(document, projection)
        size += len(json.dumps(shown))
        if size > page_bytes:
            return page, last
        page.append(shown)
        last = document["_id"].text
    return page, None


def matches(document: Json, query: Json) -> bool:
    """Whether the document fits the filter; RefusedError if that is wrong (500) or unknown here (501)."""
    # A list, so that a bad condition is refused even behind one that already failed.
    return all([_condition_holds(document, name, condition) for name, condition in query.items()])  # noqa: C419


def _condition_holds(document: Json, name: str, condition: Any) -> bool:
    if name in ("$and", "$or"):
        if not isinstance(condition, list) or not condition:
            raise RefusedError(500, f"{name} must be a nonempty array")
        fits = [matches(document, inner) for inner in condition]
        return all(fits) if name == "$and" else any(fits)
    if name.startswith("$"):
        raise RefusedError(501, f"the stand-in does not know {name}")
    values = list(_values_at(document, name.split(".")))
    if isinstance(condition, dict) and any(key.startswith("$") for key in condition):
        return all([_operator_holds(values, key, operand) for key, operand in condition.items()])  # noqa: C419
    return _any_equal(values, condition)


def _values_at(value: Any, path: list[str]) -> Iterator[Any]:
    """Every value at a dotted path: through arrays, and the array's elements besides the array itself."""
    if not path:
        yield value
        if isinstance(value, list):
            yield from value
    elif isinstance(value, list):
        for element in value:
            yield from _values_at(element, path)
    elif isinstance(value, dict) and path[0] in value:
        yield from _values_at(value[path[0]], path[1:])
    else:
        yield _MISSING


def _operator_holds(values: list[Any], name: str, operand: Any) -> bool:
    if name in ("$in", "$nin") and not isinstance(operand, list):
        raise RefusedError(500, f"{name} needs an array")
    if name == "$not":
        if not isinstance(operand, dict) or not all(key.startswith("$") for key in operand):
            raise RefusedError(500, "$not needs a regex or a document")
        return not all([_operator_holds(values, key, inner) for key, inner in operand.items()])  # noqa: C419
    if name == "$elemMatch":
        return _any_element(values, operand)
    if name not in _OPERATORS:
        raise RefusedError(501, f"the stand-in does not know {name}")
    return _OPERATORS[name](values, operand)


def _any_element(values: list[Any], condition: Any) -> bool:
    """Whether an element of an array among the values fits: a document's fields, or operators on a value."""
    if not isinstance(condition, dict):
        raise RefusedError(500, "$elemMatch needs an Object")
    elements = [element for value in values if isinstance(value, list) for element in value]
    if any(key.startswith("$") and key not in ("$and", "$or") for key in condition):
        return any(
            all(_operator_holds([element], key, inner) for key, inner in condition.items())
            for element in elements
        )
    return any(isinstance(element, dict) and matches(element, condition) for element in elements)


def _any_like(values: list[Any], pattern: Any) -> bool:
    try:
        found = re.compile(pattern)
    except (re.error, TypeError) as error:
        raise RefusedError(500, f"$regex has to be a regular expression: {error}") from error
    return any(isinstance(value, str) and found.search(value) for value in values)


def _any_equal(values: list[Any], wanted: Any) -> bool:
    return any(_equal(value, wanted) for value in values)


def _equal(value: Any, wanted: Any) -> bool:
    if wanted is None:
        return value is None or value is _MISSING
    # MongoDB keeps true and 1 apart, Python does not.
    return isinstance(value, bool) == isinstance(wanted, bool) and bool(value == wanted)


def _any_in(values: list[Any], wanted: list[Any]) -> bool:
    texts, others = [v for v in values if isinstance(v, str)], [v for v in values if not isinstance(v, str)]
    # A text equals only a text, so that a long list of ids is searched at the list's own speed.
    return any(text in wanted for text in texts) or any(_any_equal(others, one) for one in wanted if others)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[list[Any], Any], bool]:
    def holds(values: list[Any], operand: Any) -> bool:
        return any(_comparable(value, operand) and compare(value, operand) for value in values)

    return holds


def _comparable(value: Any, operand: Any) -> bool:
    numbers = (int, float)
    return type(value) is type(operand) or (type(value) in numbers and type(operand) in numbers)


_OPERATORS: dict[str, Callable[[list[Any], Any], bool]] = {
    "$eq": _any_equal,
    "$ne": lambda values, operand: not _any_equal(values, operand),
    "$in": _any_in,
    "$nin": lambda values, operand: not _any_in(values, operand),
    "$exists": lambda values, operand: any(value is not _MISSING for value in values) == bool(operand),
    "$regex": _any_like,
    "$gt": _ordered(operator.gt),
    "$gte": _ordered(operator.ge),
    "$lt": _ordered(operator.lt),
    "$lte": _ordered(operator.le),
}


def _project(document: Json, projection: list[str] | None) -> Json:
    """The fields asked for, dotted ones as deep as they go; all of them if none is asked for but `_id`."""
    asked = [name for name in projection or () if name != "_id"]
    if any(name.startswith("$") for name in asked):
        raise RefusedError(501, "the stand-in projects fields by their names")
    whole = {name: value for name, value in document.items() if name != "_id"}
    return _only(whole, [name.split(".") for name in asked]) if asked else whole


def _only(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_only(element, paths) for element in value if isinstance(element, dict | list)]
    shown = {}
    for name, inner in value.items():
        deeper = [path[1:] for path in paths if path[0] == name]
        if [] in deeper:
            shown[name] = inner
        elif deeper and isinstance(inner, dict | list):
            shown[name] = _only(inner, deeper)
    return shown
