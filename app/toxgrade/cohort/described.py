"""Answers as frozen dataclasses, whose fields say what they hold: documents are made from that."""

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


def described(text: str, *examples: object, name: str | None = None) -> Any:
    """Return a field with its meaning, unit and nulls; ``name`` is the answer's if not ours.

    A field of other answers needs no example: theirs make it up.
    """
    told = {"description": text, "examples": list(examples) or None, "serialization_alias": name}
    return field(metadata=told)


def meaning(answer: type, name: str) -> str:
    """Return what a field of an answer holds: a field of a request is described by the same."""
    return next(str(one.metadata["description"]) for one in fields(answer) if one.name == name)


@dataclass_transform(field_specifiers=(described,), frozen_default=True)
def answer(cls: type[T]) -> type[T]:
    """Make a class of described fields a frozen dataclass, in the order in which they are told."""
    return dataclass(frozen=True)(cls)


@answer
class StudyReport:
    """What every report on a study begins with."""

    study: str = described("The study's name.", "paper")
    synthetic: bool = described("The study is declared to hold made-up data.", True)
