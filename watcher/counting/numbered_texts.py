"""Numbers that stand for texts, because a job's state has one byte for each."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 256  # numbers that a byte can hold


class NumberedTexts:
    """Texts with their numbers, in order of arrival; the last number stands for all that did not fit."""

    def __init__(self, texts: Iterable[str], others: str) -> None:
        self.texts = list(texts)
        self._others = others
        self._numbers = {text: number for number, text in enumerate(self.texts)}

    def number(self, text: str) -> int:
        """The number of `text`; a new text gets the next number."""
        number = self._numbers.get(text)
        if number is None:
            if len(self.texts) == MOST:
                return MOST - 1
            if len(self.texts) == MOST - 1:
                text = self._others
            number = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return number
