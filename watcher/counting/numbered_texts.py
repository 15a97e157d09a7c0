"""Numbers for texts: what a job's state holds in place of a text."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 256  # numbers that a byte can hold


class Names:
    """Texts with their numbers, in the order in which they came; the last is for all that are too many."""

    def __init__(self, texts: Iterable[str], others: str) -> None:
        self.texts = list(texts)
        self._others = others
        self._numbers = {text: number for number, text in enumerate(self.texts)}

    def number(self, text: str) -> int:
        """The number of `text`, a new one if there was none."""
        number = self._numbers.get(text)
        if number is None:
            if len(self.texts) == MOST:
                return MOST - 1
            if len(self.texts) == MOST - 1:
                text = self._others
            number = self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return number
