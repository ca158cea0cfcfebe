"""Incident to bytes and back; the same incident always gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from analyzerd.errors import StoreError
from analyzerd.model import Incident


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} cannot be stored")


_ENCODER = msgspec.json.Encoder(order="deterministic", enc_hook=_plain)
_DECODER = msgspec.json.Decoder(Incident)


def encode_incident(incident: Incident) -> bytes:
    """Return the incident as canonical JSON; lone surrogates are replaced."""
    try:
        return _ENCODER.encode(incident)
    except UnicodeEncodeError:
        return _ENCODER.encode(_without_surrogates(msgspec.to_builtins(incident, enc_hook=_plain)))


def decode_incident(content: bytes) -> Incident:
    """Read what encode_incident wrote. Raises StoreError when the row is damaged."""
    try:
        return _DECODER.decode(content)
    except msgspec.DecodeError as error:
        raise StoreError(f"a stored incident cannot be read: {error}") from error


def storable(text: str) -> str:
    """Replace lone surrogates, which no database takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value
