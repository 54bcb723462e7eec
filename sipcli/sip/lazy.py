"""Attributes that are computed when they are first asked for, above all header fields (RFC 3261 §20).

The result then stands in the instance, before the descriptor: asking again costs what any attribute does. An
exception is not kept, it comes again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar, overload

__all__ = ["Descriptor", "Every", "First", "lazy"]

T = TypeVar("T")


class _Fields(Protocol):
    """The header fields of a message: their keys and values, in order."""

    @property
    def _keys(self) -> list[str]: ...
    @property
    def _values(self) -> list[str]: ...


class Descriptor(Generic[T]):
    """Computes an attribute. Assigning to the attribute replaces it in the instance."""

    _name: str

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: Any, owner: type) -> Self | T:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._compute(instance)
        return value

    def _compute(self, instance: Any) -> T:
        raise NotImplementedError


class lazy(Descriptor[T]):  # noqa: N801  a decorator, like property
    """Turns a method into an attribute that is computed once."""

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.__doc__ = function.__doc__
        self._function = function

    def _compute(self, instance: Any) -> T:
        return self._function(instance)


class First(Descriptor[T | None]):
    """The first header field of a name, as ``parse`` reads it; None when there is none."""

    def __init__(self, key: str, parse: Callable[[str], T | None]) -> None:
        self._key = key
        self._parse = parse

    if not TYPE_CHECKING:  # the base class's types, without its second call: this runs for every message

        def __get__(self, instance, owner):
            if instance is None:
                return self
            try:
                text = instance._values[instance._keys.index(self._key)]
            except ValueError:
                value = None
            else:
                value = self._parse(text)
            setattr(instance, self._name, value)
            return value


class Every(Descriptor[tuple[T, ...]]):
    """The elements of all header fields of a name, as ``parse`` reads each line."""

    def __init__(self, key: str, parse: Callable[[str], Iterable[T]]) -> None:
        self._key = key
        self._parse = parse

    def _compute(self, instance: _Fields) -> tuple[T, ...]:
        key, keys = self._key, instance._keys
        if key not in keys:
            return ()
        values = [value for own, value in zip(keys, instance._values, strict=True) if own == key]
        return tuple([element for value in values for element in self._parse(value)])
